INSERT INTO task_history (id, started_at, ended_at, duration_ms, scheduled_at, db_id, origin, attempt, status, cause, task, job_group,
    job_name, trigger_group, trigger_name, node, details)
SELECT h.id, started_at, ended_at, duration_ms, scheduled_at, db_id, h.id, attempt, status, cause, task, job_group, job_name,
    trigger_group, trigger_name, node, details
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::smallint[],
    $9::smallint[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[])
    AS h(id, started_at, ended_at, duration_ms, scheduled_at, db_id, attempt, status, cause, task, job_group, job_name,
         trigger_group, trigger_name, node, details)
