SELECT task, coalesce(job_group, ''), started_at FROM task_history WHERE id = ?1
