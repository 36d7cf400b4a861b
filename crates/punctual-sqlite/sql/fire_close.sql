UPDATE task_history
SET status = ?3, ended_at = ?4, duration_ms = ?5, details = ?6, logs = ?7, progress = coalesce(?8, progress), data = NULL
WHERE id = ?1 AND status = 0 AND term = ?2
