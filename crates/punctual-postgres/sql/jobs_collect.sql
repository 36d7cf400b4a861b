DELETE FROM jobs j
WHERE j.id = ANY($1::bigint[]) AND NOT j.durable
  AND NOT EXISTS (SELECT FROM triggers t WHERE t.job_id = j.id)
  AND NOT EXISTS (SELECT FROM running_all r WHERE r.job_id = j.id)
