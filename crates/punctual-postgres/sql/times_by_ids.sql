SELECT id, started_at, ended_at, duration_ms, task, status FROM task_history_all WHERE id = ANY($1::bigint[])
