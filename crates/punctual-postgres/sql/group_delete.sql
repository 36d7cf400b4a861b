DELETE FROM user_groups WHERE id = $1
