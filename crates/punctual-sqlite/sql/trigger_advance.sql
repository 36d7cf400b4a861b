UPDATE triggers SET state = ?2, next_fire_at = ?3, previous_fire_at = ?4, fired = ?5, skipped = ?6
WHERE id = ?1
