SELECT term, name, version, state, kinds, started_at, seen_at, lease_until, clock_offset_ms, clock_uncertainty_ms, slots, draining
FROM nodes
WHERE lease_until > ?1
ORDER BY term
