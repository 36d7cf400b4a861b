DELETE FROM task_history WHERE id = ANY(ARRAY(
    SELECT id FROM task_history WHERE status <> 0 AND ended_at < $1 ORDER BY id LIMIT $2))
RETURNING id, task, coalesce(job_group, ''), status, started_at, ended_at, duration_ms, trigger_group, trigger_name
