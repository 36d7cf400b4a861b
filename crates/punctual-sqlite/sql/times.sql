SELECT started_at, ended_at, duration_ms, task, status FROM task_history WHERE id = ?1
