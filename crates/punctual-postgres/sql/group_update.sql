UPDATE user_groups SET name = $1, name_key = $2, permissions = $3, created_at = $4, updated_at = $5 WHERE id = $6
