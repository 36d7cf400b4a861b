UPDATE nodes SET name = ?2, version = ?3, state = ?4, kinds = ?5, seen_at = ?6, lease_until = ?7, clock_offset_ms = ?8, clock_uncertainty_ms = ?9,
    slots = ?10
WHERE term = ?1
