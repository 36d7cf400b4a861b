UPDATE triggers SET state = 3, error = ?2 WHERE id = ?1
