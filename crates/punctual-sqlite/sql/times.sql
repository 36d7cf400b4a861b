SELECT started_at, ended_at, duration_ms, task, coalesce(job_group, ''), status FROM task_history WHERE id = ?1
