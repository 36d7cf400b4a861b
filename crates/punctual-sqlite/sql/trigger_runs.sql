-- The ended rows of a trigger from one place up to another, at most ?7, in the order of start.
SELECT h.started_at, h.id, s.id, h.status
FROM task_history h INDEXED BY task_history_trigger
CROSS JOIN history_series s ON s.task = h.task AND s.job_group = coalesce(h.job_group, '')
WHERE h.trigger_group = ?1 AND h.trigger_name = ?2 AND h.started_at BETWEEN ?3 AND ?5
  AND (h.started_at, h.id) >= (?3, ?4) AND (h.started_at, h.id) < (?5, ?6) AND h.status <> 0
ORDER BY h.started_at, h.id
LIMIT ?7
