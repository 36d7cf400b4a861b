SELECT t.id, t.trigger_group, t.trigger_name, t.upto_value, t.upto_id
FROM unnest($1::text[], $2::text[]) AS n(trigger_group, trigger_name)
CROSS JOIN LATERAL (
    SELECT * FROM history_triggers WHERE trigger_group = n.trigger_group AND trigger_name = n.trigger_name OFFSET 0) t
