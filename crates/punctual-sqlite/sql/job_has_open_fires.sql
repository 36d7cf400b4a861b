SELECT 1 FROM task_history WHERE job_id = ?1 AND status = 0 LIMIT 1
