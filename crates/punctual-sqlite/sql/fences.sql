SELECT value, id, rows FROM history_fences WHERE sort = ?1 AND status = ?2 AND series = ?3 ORDER BY value, id
