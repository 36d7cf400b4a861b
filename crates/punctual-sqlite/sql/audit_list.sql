-- ?3 is the action, and ?4 what comes after all that begin with it, for a prefix.
SELECT id, at, actor, actor_id, action, subject, old_value, new_value, note
FROM audit_log
WHERE (?1 IS NULL OR actor = ?1) AND (?2 IS NULL OR subject = ?2)
  AND (?3 IS NULL OR (?4 IS NULL AND action = ?3) OR (action >= ?3 AND action < ?4))
  AND (?5 IS NULL OR at >= ?5) AND (?6 IS NULL OR at < ?6) AND (?7 IS NULL OR id < ?7)
ORDER BY id DESC LIMIT ?8
