INSERT INTO triggers (id, trigger_group, trigger_name, job_id, description, schedule, start_at, end_at, calendar, misfire,
    misfire_threshold_ms, data, anchor, rebased, accounted_from, cause, pending, attempt, origin, scheduled_at, for_group, for_name,
    error, created_at, updated_at, event)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::bigint[], $8::bigint[],
    $9::text[], $10::text[], $11::bigint[], $12::text[], $13::bigint[], $14::text[], $15::bigint[], $16::smallint[],
    $17::boolean[], $18::bigint[], $19::bigint[], $20::bigint[], $21::text[], $22::text[], $23::text[], $24::bigint[],
    $25::bigint[], $26::text[])
