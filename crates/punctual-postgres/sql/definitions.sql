SELECT t.id, t.trigger_group, t.trigger_name, t.job_id, t.description, t.schedule, t.start_at, t.end_at, t.calendar, t.misfire,
       t.misfire_threshold_ms, t.data, t.anchor, t.rebased, t.accounted_from, t.cause, t.pending, t.attempt, t.origin,
       t.scheduled_at, t.for_group, t.for_name, t.error, t.created_at, t.updated_at
FROM triggers t
WHERE t.id = ANY($1::bigint[])
