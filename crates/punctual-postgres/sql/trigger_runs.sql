-- The ended rows of a trigger from one place up to another, at most $7 of them, in the order of start.
SELECT h.started_at, h.id, (SELECT s.id FROM history_series s WHERE s.task = h.task AND s.job_group = coalesce(h.job_group, '')), h.status
FROM task_history h
WHERE h.trigger_group = $1 AND h.trigger_name = $2 AND (h.started_at, h.id) >= ($3::bigint, $4::bigint)
  AND (h.started_at, h.id) < ($5::bigint, $6::bigint) AND h.status <> 0
ORDER BY h.started_at, h.id
LIMIT $7::bigint
