SELECT h.id, h.job_id, h.trigger_id, h.trigger_group, h.trigger_name, h.scheduled_at, h.attempt, h.origin, h.cause, h.data,
       h.node, h.term, h.job_group, h.job_name, h.lane_id, h.started_at
FROM task_history h
WHERE h.status = 0 AND h.job_id <> 0
  AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.term = h.term AND n.lease_until > ?1)
ORDER BY h.id
LIMIT 1000
