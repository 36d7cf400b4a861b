INSERT INTO triggers (id, trigger_group, trigger_name, job_id, kind_id, description, schedule, start_at, end_at,
    priority_rank, calendar, misfire, misfire_threshold_ms, data, state, anchor, rebased, next_fire_at, previous_fire_at,
    fired, skipped, accounted_from, cause, pending, attempt, origin, scheduled_at, for_group, for_name, error, created_at,
    updated_at, lane_id, lane_limit, overlap, event)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25,
    ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35, ?36)
