SELECT 1 FROM nodes WHERE name = $1 AND lease_until > $2 AND term <> $3 LIMIT 1
