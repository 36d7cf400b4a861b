SELECT t.id, t.trigger_group, t.trigger_name, t.job_id, t.description, t.schedule, t.start_at, t.end_at, t.priority_rank,
       t.calendar, t.misfire, t.misfire_threshold_ms, t.data, t.state, t.anchor, t.rebased, t.next_fire_at,
       t.previous_fire_at, t.fired, t.skipped, t.accounted_from, t.cause, t.pending, t.attempt, t.origin, t.scheduled_at,
       t.for_group, t.for_name, t.error, t.created_at, t.updated_at, t.lane_id, t.lane_limit, t.overlap, j.job_group, j.job_name
FROM triggers t INDEXED BY triggers_without_next JOIN jobs j ON j.id = t.job_id
WHERE t.next_fire_at IS NULL AND t.state IN (0, 1)
ORDER BY t.trigger_group, t.trigger_name
