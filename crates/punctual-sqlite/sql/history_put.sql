INSERT INTO task_history (id, task, status, started_at, ended_at, duration_ms, details, db_id, job_id, job_group, job_name,
    trigger_id, trigger_group, trigger_name, scheduled_at, term, node, attempt, origin, cause)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9, ?10, 0, ?11, ?12, ?13, 0, ?14, ?15, ?1, ?16)
