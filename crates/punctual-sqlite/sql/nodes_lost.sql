SELECT 1 WHERE EXISTS (SELECT 1 FROM nodes WHERE lease_until <= ?1)
OR EXISTS (
    SELECT 1 FROM task_history h
    WHERE h.status = 0 AND h.term <> 0
      AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.term = h.term AND n.lease_until > ?1)
)
OR EXISTS (
    SELECT 1 FROM task_runs r
    WHERE r.status = 0 AND r.term <> 0
      AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.term = r.term AND n.lease_until > ?1)
)
