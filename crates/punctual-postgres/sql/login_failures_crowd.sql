DELETE FROM login_failures WHERE key IN (
    SELECT key FROM login_failures ORDER BY count, last_at, key
    LIMIT (SELECT CASE WHEN count(*) >= $1::bigint THEN $2::bigint ELSE 0 END FROM login_failures)
)
