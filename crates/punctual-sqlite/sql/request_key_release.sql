DELETE FROM request_keys WHERE key = ?1 AND request = ?2 AND answer IS NULL
