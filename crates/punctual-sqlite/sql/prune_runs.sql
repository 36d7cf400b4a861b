DELETE FROM task_runs
WHERE status <> 0 AND started_at <= ?1 AND NOT EXISTS (SELECT 1 FROM task_history h WHERE h.run_id = task_runs.id)
