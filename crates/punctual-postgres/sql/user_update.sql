UPDATE users SET name = $1, name_key = $2, password = $3, superuser = $4, disabled = $5, must_change = $6, created_at = $7,
       updated_at = $8, last_login_at = $9
WHERE id = $10
