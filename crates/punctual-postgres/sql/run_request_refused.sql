INSERT INTO task_history (id, task, status, started_at, ended_at, duration_ms, scheduled_at, details, job_group, job_name,
    trigger_group, trigger_name, node, attempt, origin, cause)
VALUES ($1, $2, 2, $3, $3, 0, $4, $5, $6, $7, $8, $9, $10, 1, $1, $11)
RETURNING id, task, coalesce(job_group, ''), status, started_at, ended_at, duration_ms
