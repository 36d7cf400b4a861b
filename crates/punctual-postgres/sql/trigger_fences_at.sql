-- The last fence at or before each place of a trigger, in the order of the places.
SELECT f.value, f.id
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS p(trigger, value, id, number)
LEFT JOIN LATERAL (
    SELECT f.value, f.id FROM history_trigger_fences f
    WHERE f.trigger = p.trigger AND (f.value, f.id) <= (p.value, p.id)
    ORDER BY f.value DESC, f.id DESC LIMIT 1) f ON true
ORDER BY p.number
