-- Never waits: a row that somebody else has locked is being ended, or is found the next time.
UPDATE task_history SET status = 3, ended_at = $1
WHERE id = ANY(ARRAY(
    SELECT id FROM task_history h
    WHERE h.status = 0 AND h.term IS NOT NULL
      AND NOT EXISTS (SELECT FROM nodes n WHERE n.term = h.term AND n.term <> ALL($2::bigint[]))
    FOR UPDATE SKIP LOCKED))
RETURNING id, task, coalesce(job_group, ''), status, started_at, ended_at, duration_ms
