DELETE FROM login_failures WHERE key IN (
    SELECT key FROM login_failures WHERE forget_at <= $1 FOR UPDATE SKIP LOCKED
)
