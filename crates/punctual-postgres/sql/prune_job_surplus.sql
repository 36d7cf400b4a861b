-- Beyond the newest $1 ended rows of the job, by the time of their start.
DELETE FROM task_history WHERE id = ANY(ARRAY(
    SELECT id FROM task_history
    WHERE status <> 0 AND job_group = $3 AND job_name = $4
      AND (started_at, id) <= (SELECT started_at, id FROM task_history
                               WHERE status <> 0 AND job_group = $3 AND job_name = $4
                               ORDER BY started_at DESC, id DESC LIMIT 1 OFFSET $1)
    ORDER BY started_at, id LIMIT $2))
RETURNING id, task, coalesce(job_group, ''), status, started_at, ended_at, duration_ms, trigger_group, trigger_name
