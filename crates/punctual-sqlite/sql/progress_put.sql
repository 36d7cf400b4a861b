UPDATE task_history SET progress = ?3 WHERE id = ?1 AND status = 0 AND term = ?2
