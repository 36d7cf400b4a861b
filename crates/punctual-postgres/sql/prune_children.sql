-- $1: rows that are gone.
DELETE FROM task_history WHERE status <> 0 AND parent_id = ANY($1::bigint[])
RETURNING id, task, coalesce(job_group, ''), status, started_at, ended_at, duration_ms, trigger_group, trigger_name
