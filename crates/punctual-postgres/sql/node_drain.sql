-- The node hears of it at once, when it listens.
WITH changed AS (UPDATE nodes SET draining = $2 WHERE term = $1 AND lease_until > $3 RETURNING term)
SELECT pg_notify('punctual', 'heartbeat ' || current_schema()) FROM changed
