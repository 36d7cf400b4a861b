INSERT INTO audit_log (at, actor, actor_id, action, subject, old_value, new_value, note)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
RETURNING id
