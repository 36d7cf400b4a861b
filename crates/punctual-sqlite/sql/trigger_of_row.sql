SELECT trigger_group, trigger_name FROM task_history WHERE id = ?1
