INSERT INTO nodes (term, name, version, state, kinds, started_at, seen_at, lease_until, clock_offset_ms, clock_uncertainty_ms, slots, draining)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8, ?9, ?10, ?11)
