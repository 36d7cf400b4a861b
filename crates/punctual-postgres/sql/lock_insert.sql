INSERT INTO locks (name, token, mode, node, term, purpose, acquired_at, lease_until) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
