UPDATE nodes SET draining = $2 WHERE term = $1 AND lease_until > $3
