SELECT name, token, mode, node, term, purpose, acquired_at, lease_until FROM locks WHERE lease_until > $1 ORDER BY name, token
