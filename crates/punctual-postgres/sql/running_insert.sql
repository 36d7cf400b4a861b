-- An array of one value holds for all fires, and an empty one says what is usual: no lane, its own origin, no data.
INSERT INTO running (id, term, job_id, trigger_id, lane_id, started_at, scheduled_at, origin, attempt, cause, job_group,
    job_name, trigger_group, trigger_name, node, data)
SELECT f.id, $1, j.id, f.trigger_id, f.lane_id, coalesce(f.started_at, ($7::bigint[])[1]), coalesce(f.scheduled_at, ($8::bigint[])[1]),
    coalesce(f.origin, f.id), coalesce(f.attempt, ($10::bigint[])[1]), coalesce(f.cause, ($11::smallint[])[1]), j.job_group,
    j.job_name, coalesce(f.trigger_group, ($12::text[])[1]), f.trigger_name, $2, f.data
FROM unnest($3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[],
    $11::smallint[], $12::text[], $13::text[], $14::text[])
    AS f(id, job_id, trigger_id, lane_id, started_at, scheduled_at, origin, attempt, cause, trigger_group, trigger_name, data)
CROSS JOIN LATERAL (SELECT id, job_group, job_name FROM jobs WHERE id = coalesce(f.job_id, ($4::bigint[])[1]) OFFSET 0) j
