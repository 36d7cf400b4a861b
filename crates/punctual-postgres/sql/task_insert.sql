INSERT INTO task_history (id, task, status, started_at, ended_at, duration_ms, details, db_id, node, attempt, origin, cause, term,
    parent_id, run_id, logs, progress)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1, $1, 1, $10, $11, $12, $13, $14)
