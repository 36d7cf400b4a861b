SELECT EXISTS (SELECT FROM nodes WHERE lease_until <= $1) OR EXISTS (
    SELECT FROM running r WHERE NOT EXISTS (SELECT FROM nodes n WHERE n.term = r.term AND n.lease_until > $1)) OR EXISTS (
    SELECT FROM running_batches b WHERE NOT EXISTS (SELECT FROM nodes n WHERE n.term = b.term AND n.lease_until > $1)) OR EXISTS (
    SELECT FROM task_history h WHERE h.status = 0 AND h.term IS NOT NULL
        AND NOT EXISTS (SELECT FROM nodes n WHERE n.term = h.term AND n.lease_until > $1)) OR EXISTS (
    SELECT FROM task_runs r WHERE r.status = 0 AND r.term IS NOT NULL
        AND NOT EXISTS (SELECT FROM nodes n WHERE n.term = r.term AND n.lease_until > $1)),
    (SELECT written_at FROM run_requests ORDER BY id LIMIT 1)
