SELECT 1 FROM task_history WHERE id = ?1 AND trigger_group = ?2 AND trigger_name = ?3
