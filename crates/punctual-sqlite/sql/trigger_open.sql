-- The open rows of a trigger, of a task (?3) or a job (?4, ?5) where these are given.
SELECT started_at, id FROM task_history INDEXED BY task_history_open
WHERE status = 0 AND trigger_group = ?1 AND trigger_name = ?2 AND (?3 IS NULL OR task = ?3)
  AND (?4 IS NULL OR (job_group = ?4 AND job_name = ?5))
