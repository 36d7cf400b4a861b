DELETE FROM task_history WHERE id = ?1 AND status = 0 AND term = ?2
