SELECT id, cancel FROM task_history INDEXED BY task_history_cancelled
WHERE status = 0 AND cancel IS NOT NULL AND term = ?1
