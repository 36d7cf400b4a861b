DELETE FROM sessions WHERE seen_at < $1 OR created_at < $2
