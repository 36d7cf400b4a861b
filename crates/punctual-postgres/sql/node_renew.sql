-- Also a lease that has run out, unless a live node has taken the name over. Waits for a recovery that has locked the row, and
-- finds it gone then.
UPDATE nodes
SET name = $2, version = $3, state = $4, kinds = $5, seen_at = $6, lease_until = $7, clock_offset_ms = $8,
    clock_uncertainty_ms = $9, slots = $10
WHERE term = $1 AND (lease_until > $6 OR NOT EXISTS (
    SELECT FROM nodes o WHERE o.name = $2 AND o.term <> $1 AND o.lease_until > $6))
