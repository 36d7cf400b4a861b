-- Rows without an end: what runs, and what was recorded as started.
SELECT id, started_at, ended_at, duration_ms, task, coalesce(job_group, '')
FROM task_history INDEXED BY task_history_open
WHERE status = 0
