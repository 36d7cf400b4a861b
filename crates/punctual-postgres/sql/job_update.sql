UPDATE jobs SET kind_id = $2, definition = $3, durable = $4, version = version + 1, updated_at = $5 WHERE id = $1
