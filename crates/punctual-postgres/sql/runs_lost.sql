-- Never waits: a row that somebody else has locked is being closed, or is found the next time.
UPDATE task_runs SET status = 3, ended_at = $1
WHERE id = ANY(ARRAY(
    SELECT id FROM task_runs r
    WHERE r.status = 0 AND r.term IS NOT NULL
      AND NOT EXISTS (SELECT FROM nodes n WHERE n.term = r.term AND n.term <> ALL($2::bigint[]))
    FOR UPDATE SKIP LOCKED))
