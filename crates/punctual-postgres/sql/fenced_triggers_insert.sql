-- Of some triggers those that have more than $3 rows.
INSERT INTO history_triggers (trigger_group, trigger_name, upto_value, upto_id)
SELECT n.trigger_group, n.trigger_name, -9223372036854775808, -9223372036854775808
FROM unnest($1::text[], $2::text[]) AS n(trigger_group, trigger_name)
WHERE (SELECT count(*) FROM (SELECT FROM task_history h
       WHERE h.trigger_group = n.trigger_group AND h.trigger_name = n.trigger_name LIMIT $3::bigint + 1) AS rows) > $3::bigint
