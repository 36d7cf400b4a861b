INSERT INTO user_groups (name, name_key, permissions, created_at, updated_at) VALUES ($1, $2, $3, $4, $5) RETURNING id
