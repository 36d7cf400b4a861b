INSERT INTO skipped_ranges (id, trigger_group, trigger_name, job_group, job_name, first_at, last_at, count, reason,
    recorded_at, fire_id)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[],
    $9::text[], $10::bigint[], $11::bigint[])
