DELETE FROM task_runs r
WHERE r.status <> 0 AND r.started_at <= $1 AND NOT EXISTS (SELECT FROM task_history h WHERE h.run_id = r.id OFFSET 0)
