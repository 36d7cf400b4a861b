DELETE FROM user_group_members WHERE group_id = ?1
