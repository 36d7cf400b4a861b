SELECT t.id, t.trigger_group, t.trigger_name, t.job_id, t.description, t.schedule, t.start_at, t.end_at, t.calendar, t.misfire,
       t.misfire_threshold_ms, t.data, t.anchor, t.rebased, t.accounted_from, t.cause, t.pending, t.attempt, t.origin,
       t.scheduled_at, t.for_group, t.for_name, t.error, t.created_at, t.updated_at,
       d.trigger_id, d.kind_id, d.next_fire_at, d.priority_rank, d.state, d.lane_id, d.lane_limit, d.overlap, d.previous_fire_at, d.fired,
       d.skipped, d.version, j.job_group, j.job_name
FROM (SELECT DISTINCT * FROM unnest($1::text[], $2::text[])) k(trigger_group, trigger_name)
CROSS JOIN LATERAL (
    SELECT * FROM triggers WHERE trigger_group = k.trigger_group AND trigger_name = k.trigger_name OFFSET 0) t
CROSS JOIN LATERAL (SELECT job_group, job_name FROM jobs WHERE id = t.job_id OFFSET 0) j
LEFT JOIN LATERAL (SELECT * FROM due WHERE trigger_id = t.id OFFSET 0) d ON true
ORDER BY t.trigger_group, t.trigger_name
