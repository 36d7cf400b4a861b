UPDATE history_triggers SET upto_value = ?2, upto_id = ?3 WHERE id = ?1
