DELETE FROM triggers WHERE id = ?1
