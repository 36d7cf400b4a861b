SELECT value, id FROM history_trigger_fences
WHERE trigger = ?1 AND (value, id) > (?2, ?3)
ORDER BY value, id LIMIT 1
