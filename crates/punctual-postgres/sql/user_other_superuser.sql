SELECT 1 FROM users WHERE id <> $1 AND superuser AND NOT disabled LIMIT 1
