SELECT name FROM nodes WHERE term = $1 AND lease_until > $2
