SELECT 1 FROM jobs j
WHERE j.id = ?1 AND j.exclusive = 1 AND EXISTS (SELECT 1 FROM task_history h WHERE h.job_id = ?1 AND h.status = 0)
