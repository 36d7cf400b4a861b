-- Fences with more than $4 rows, with the place of the next one.
SELECT t.id, t.trigger_group, t.trigger_name, t.upto_value, t.upto_id, p.value, p.id, next.value, next.id
FROM (SELECT DISTINCT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS p(trigger, value, id)) p
CROSS JOIN LATERAL (SELECT * FROM history_triggers WHERE id = p.trigger OFFSET 0) t
LEFT JOIN LATERAL (
    SELECT f.value, f.id FROM history_trigger_fences f
    WHERE f.trigger = p.trigger AND (f.value, f.id) > (p.value, p.id)
    ORDER BY f.value, f.id LIMIT 1) next ON true
WHERE (SELECT sum(f.rows) FROM history_trigger_fences f
       WHERE f.trigger = p.trigger AND f.value = p.value AND f.id = p.id) > $4::bigint
