-- Triggers without rows that fences count.
DELETE FROM history_triggers
WHERE upto_value = 9223372036854775807
  AND NOT EXISTS (SELECT 1 FROM history_trigger_fences f WHERE f.trigger = history_triggers.id)
