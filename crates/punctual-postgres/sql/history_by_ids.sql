SELECT id, task, status, started_at, ended_at, duration_ms, details, db_id, job_group, job_name, trigger_group, trigger_name,
       scheduled_at, node, attempt, origin, cause, term, parent_id, run_id, logs, progress
FROM task_history_all
WHERE id = ANY($1::bigint[])
