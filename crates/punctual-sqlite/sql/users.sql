SELECT u.id, u.name, u.password, u.superuser, u.disabled, u.must_change, u.created_at, u.updated_at, u.last_login_at
FROM users u ORDER BY u.id LIMIT ?1 OFFSET ?2
