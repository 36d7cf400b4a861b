SELECT id, upto_value, upto_id FROM history_triggers WHERE trigger_group = ?1 AND trigger_name = ?2
