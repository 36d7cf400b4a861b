SELECT id FROM user_groups WHERE name_key = $1
