SELECT id, job_id, trigger_id, trigger_group, trigger_name, scheduled_at, attempt, origin, cause, data, node, term,
       job_group, job_name, lane_id, started_at
FROM task_history
WHERE id = ?1 AND status = 0 AND term = ?2 AND job_id <> 0
