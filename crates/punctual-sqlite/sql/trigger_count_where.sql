-- The rows of a trigger from one place up to another, of a status (?7), a task (?8) or a job (?9, ?10) where these are given.
SELECT count(*) FROM task_history INDEXED BY task_history_trigger
WHERE trigger_group = ?1 AND trigger_name = ?2 AND started_at BETWEEN ?3 AND ?5
  AND (started_at, id) >= (?3, ?4) AND (started_at, id) < (?5, ?6)
  AND (?7 IS NULL OR status = ?7) AND (?8 IS NULL OR task = ?8)
  AND (?9 IS NULL OR (job_group = ?9 AND job_name = ?10))
