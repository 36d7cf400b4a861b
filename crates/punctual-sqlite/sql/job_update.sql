UPDATE jobs SET kind_id = ?2, definition = ?3, version = version + 1, updated_at = ?4
WHERE id = ?1
