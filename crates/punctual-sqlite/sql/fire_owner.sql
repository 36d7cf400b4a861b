SELECT job_id, trigger_id, lane_id, started_at FROM task_history WHERE id = ?1 AND status = 0 AND term = ?2 AND job_id <> 0
