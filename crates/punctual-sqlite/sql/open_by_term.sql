SELECT term, count(*) FROM task_history INDEXED BY task_history_open
WHERE status = 0 AND job_id <> 0
GROUP BY term
ORDER BY term
