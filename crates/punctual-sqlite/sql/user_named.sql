SELECT id FROM users WHERE name_key = ?1
