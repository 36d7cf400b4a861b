DELETE FROM user_group_members WHERE user_id = ?1
