SELECT id, started_at, ended_at, task, coalesce(job_group, ''), status
FROM task_history INDEXED BY task_history_moved_clock
WHERE ended_at < started_at AND started_at >= ?1 AND ended_at < ?1
