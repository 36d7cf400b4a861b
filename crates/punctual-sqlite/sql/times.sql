SELECT started_at, ended_at, duration_ms FROM task_history WHERE id = ?1
