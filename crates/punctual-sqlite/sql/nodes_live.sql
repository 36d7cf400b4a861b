SELECT term, name, version, state, kinds, started_at, seen_at, lease_until
FROM nodes
WHERE lease_until > ?1
ORDER BY term
