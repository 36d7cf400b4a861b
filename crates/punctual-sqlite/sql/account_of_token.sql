-- Sets of permissions are nested, so that the largest is what all groups allow together.
SELECT u.id, u.name, u.password, u.superuser, u.disabled, u.must_change, u.created_at, u.updated_at, u.last_login_at,
       (SELECT coalesce(max(g.permissions), 0) FROM user_groups g JOIN user_group_members m ON m.group_id = g.id WHERE m.user_id = u.id),
       t.id, t.hash, t.user_id, t.name, t.scopes, t.created_at, t.expires_at, t.last_used_at
FROM api_tokens t JOIN users u ON u.id = t.user_id WHERE t.hash = ?1
