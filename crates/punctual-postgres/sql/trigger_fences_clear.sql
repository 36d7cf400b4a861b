DELETE FROM history_trigger_fences f
USING unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS p(trigger, value, id)
WHERE f.trigger = p.trigger AND f.value = p.value AND f.id = p.id AND f.rows <= 0
