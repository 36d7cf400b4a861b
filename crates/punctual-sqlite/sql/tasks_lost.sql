UPDATE task_history SET status = 3, ended_at = ?1
WHERE status = 0 AND job_id = 0 AND term <> 0
  AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.term = task_history.term AND n.lease_until > ?1)
RETURNING id, task, coalesce(job_group, ''), status, started_at, ended_at, duration_ms
