SELECT 1 WHERE EXISTS (
    SELECT FROM running_all r WHERE r.job_id = $1 AND r.trigger_group = $2 AND r.trigger_name = $3)
OR EXISTS (SELECT FROM triggers t WHERE t.job_id = $1 AND t.pending AND t.for_group = $2 AND t.for_name = $3)
