SELECT coalesce(sum(rows), 0) FROM history_fences WHERE sort = ?1 AND status = ?2 AND series = ?3
