INSERT INTO task_history (id, task, status, started_at, ended_at, duration_ms, details, db_id, job_id, trigger_id, term, node,
    attempt, origin, cause, parent_id, run_id, logs, progress)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, 0, ?10, ?9, 1, ?1, 1, ?11, ?12, ?13, ?14)
