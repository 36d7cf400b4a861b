-- $3 is the action, and $4 what comes after all that begin with it, for a prefix.
SELECT id, at, actor, actor_id, action, subject, old_value, new_value, note
FROM audit_log
WHERE ($1::text IS NULL OR actor = $1) AND ($2::text IS NULL OR subject = $2)
  AND ($3::text IS NULL OR ($4::text IS NULL AND action = $3) OR (action >= $3 AND action < $4))
  AND ($5::bigint IS NULL OR at >= $5) AND ($6::bigint IS NULL OR at < $6) AND ($7::bigint IS NULL OR id < $7)
ORDER BY id DESC LIMIT $8
