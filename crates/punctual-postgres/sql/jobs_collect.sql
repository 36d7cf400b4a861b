DELETE FROM jobs j
WHERE j.id = ANY($1::bigint[]) AND NOT j.durable
  AND NOT EXISTS (SELECT FROM triggers t WHERE t.job_id = j.id OFFSET 0)
  -- Apart, so that the first goes by its index: joined as one, all open fires would be read.
  AND NOT EXISTS (SELECT FROM running r WHERE r.job_id = j.id OFFSET 0)
  AND NOT EXISTS (SELECT FROM running_in_batches r WHERE r.job_id = j.id OFFSET 0)
