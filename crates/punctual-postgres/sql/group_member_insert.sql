INSERT INTO user_group_members (group_id, user_id) VALUES ($1, $2)
