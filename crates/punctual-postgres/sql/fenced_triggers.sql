SELECT t.id, t.trigger_group, t.trigger_name, t.upto_value, t.upto_id
FROM unnest($1::text[], $2::text[]) AS n(trigger_group, trigger_name)
JOIN history_triggers t ON t.trigger_group = n.trigger_group AND t.trigger_name = n.trigger_name
