-- The last fence of a trigger at or before a place.
SELECT value, id FROM history_trigger_fences
WHERE trigger = ?1 AND (value, id) <= (?2, ?3)
ORDER BY value DESC, id DESC LIMIT 1
