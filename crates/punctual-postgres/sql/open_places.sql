-- Rows without an end: what runs, and what was recorded as started.
SELECT id, started_at, NULL::bigint, NULL::bigint, job_name, job_group FROM running_all
UNION ALL
SELECT id, started_at, ended_at, duration_ms, task, coalesce(job_group, '') FROM task_history WHERE status = 0
