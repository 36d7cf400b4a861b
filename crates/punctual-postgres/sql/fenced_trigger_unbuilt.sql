SELECT id, trigger_group, trigger_name, upto_value, upto_id FROM history_triggers
WHERE upto_value < 9223372036854775807
LIMIT 1
