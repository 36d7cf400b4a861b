SELECT term, name, version, state, kinds, started_at, seen_at, lease_until, clock_offset_ms, clock_uncertainty_ms, slots
FROM nodes
WHERE lease_until > ?1
ORDER BY term
