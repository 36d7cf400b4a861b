DELETE FROM history_places WHERE sort = ?1 AND status = ?2 AND series = ?3 AND value = ?4 AND id = ?5
