SELECT g.id, g.name, g.permissions, g.created_at, g.updated_at, m.user_id
FROM user_groups g LEFT JOIN user_group_members m ON m.group_id = g.id
WHERE ?1 IS NULL OR g.id = ?1
ORDER BY g.id, m.user_id
