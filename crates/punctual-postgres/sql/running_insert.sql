INSERT INTO running (id, term, job_id, trigger_id, lane_id, started_at, scheduled_at, origin, attempt, cause, job_group,
    job_name, trigger_group, trigger_name, node, data)
SELECT f.id, $1, f.job_id, f.trigger_id, f.lane_id, f.started_at, f.scheduled_at, f.origin, f.attempt, f.cause, j.job_group, j.job_name,
    f.trigger_group, f.trigger_name, $2, f.data
FROM unnest($3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[],
    $11::smallint[], $12::text[], $13::text[], $14::text[])
    AS f(id, job_id, trigger_id, lane_id, started_at, scheduled_at, origin, attempt, cause, trigger_group, trigger_name, data)
JOIN jobs j ON j.id = f.job_id
