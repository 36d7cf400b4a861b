SELECT trigger_group, trigger_name, upto_value, upto_id FROM history_triggers WHERE id = ?1
