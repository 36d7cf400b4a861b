SELECT count(*) FROM task_history WHERE status = 0 AND job_id <> 0
