SELECT name, token, mode, node, term, purpose, acquired_at, lease_until FROM locks WHERE name = ANY($1::text[])
