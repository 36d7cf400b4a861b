UPDATE jobs SET kind_id = ?2, definition = ?3, exclusive = ?4, skips_overlap = ?5, version = version + 1, updated_at = ?6
WHERE id = ?1
