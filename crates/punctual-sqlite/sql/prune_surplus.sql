-- Ids ascend with time: what is beyond the newest ?1 ended rows has a lower id than the row at that place.
DELETE FROM task_history WHERE id IN (
    SELECT id FROM task_history
    WHERE status <> 0
      AND id <= (SELECT id FROM task_history WHERE status <> 0 ORDER BY id DESC LIMIT 1 OFFSET ?1)
    ORDER BY id LIMIT ?2)
RETURNING id, task, coalesce(job_group, ''), status, started_at, ended_at, duration_ms, trigger_group, trigger_name
