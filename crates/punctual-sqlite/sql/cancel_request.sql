UPDATE task_history SET cancel = coalesce(cancel, ?2) WHERE id = ?1 AND status = 0 AND job_id <> 0
