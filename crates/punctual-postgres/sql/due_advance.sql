UPDATE due d
SET state = n.state, next_fire_at = n.next_fire_at, previous_fire_at = n.previous_fire_at, fired = n.fired,
    skipped = n.skipped, version = d.version + n.rebased
FROM unnest($1::bigint[], $2::smallint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
    AS n(trigger_id, state, next_fire_at, previous_fire_at, fired, skipped, rebased)
WHERE d.trigger_id BETWEEN n.trigger_id AND n.trigger_id
