DELETE FROM history_trigger_fences WHERE ctid = ANY(ARRAY(
    SELECT f.ctid
    FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS p(trigger, value, id)
    CROSS JOIN LATERAL (
        SELECT ctid FROM history_trigger_fences
        WHERE trigger = p.trigger AND value = p.value AND id = p.id AND rows <= 0
        FOR UPDATE OFFSET 0) f))
