SELECT id, job_id, trigger_id, lane_id, trigger_group, trigger_name, scheduled_at, attempt, origin, cause, data, node, term,
       job_group, job_name
FROM running
WHERE id = ANY($1::bigint[])
ORDER BY id
