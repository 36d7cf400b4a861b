-- ?1: a JSON array of rows that are gone.
DELETE FROM task_history WHERE status <> 0 AND parent_id IN (SELECT value FROM json_each(?1))
RETURNING id, task, coalesce(job_group, ''), status, started_at, ended_at, duration_ms, trigger_group, trigger_name
