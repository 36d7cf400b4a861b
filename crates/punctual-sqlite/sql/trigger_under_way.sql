SELECT 1 WHERE EXISTS (
    SELECT 1 FROM task_history h WHERE h.status = 0 AND h.job_id = ?1 AND h.trigger_group = ?2 AND h.trigger_name = ?3)
OR EXISTS (SELECT 1 FROM triggers t WHERE t.job_id = ?1 AND t.pending = 1 AND t.for_group = ?2 AND t.for_name = ?3)
