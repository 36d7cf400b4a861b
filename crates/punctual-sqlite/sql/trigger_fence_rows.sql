SELECT coalesce(sum(rows), 0) FROM history_trigger_fences WHERE trigger = ?1 AND value = ?2 AND id = ?3
