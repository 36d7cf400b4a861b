DELETE FROM triggers WHERE id = ?1 AND state = 2
