INSERT INTO history_triggers (trigger_group, trigger_name, upto_value, upto_id)
VALUES (?1, ?2, -9223372036854775808, -9223372036854775808)
