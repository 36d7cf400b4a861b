INSERT INTO task_history (id, task, status, started_at, job_id, job_group, job_name, trigger_id, trigger_group, trigger_name,
    scheduled_at, term, node, attempt, origin, cause, data, lane_id)
VALUES (?1, ?2, 0, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)
