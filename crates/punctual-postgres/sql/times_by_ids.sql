SELECT id, started_at, ended_at, duration_ms, task, coalesce(job_group, ''), status FROM task_history_all WHERE id = ANY($1::bigint[])
