INSERT INTO users (name, name_key, password, superuser, disabled, must_change, created_at, updated_at, last_login_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
RETURNING id
