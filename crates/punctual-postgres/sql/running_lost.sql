SELECT id, job_id, trigger_id, lane_id, trigger_group, trigger_name, scheduled_at, attempt, origin, cause, data, node, term,
       job_group, job_name
FROM running r
WHERE NOT EXISTS (SELECT FROM nodes n WHERE n.term = r.term AND n.term <> ALL($1::bigint[]))
ORDER BY id
LIMIT 1000
