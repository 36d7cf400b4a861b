-- Triggers without rows that fences count.
DELETE FROM history_triggers t
WHERE upto_value = 9223372036854775807 AND NOT EXISTS (SELECT FROM history_trigger_fences f WHERE f.trigger = t.id OFFSET 0)
