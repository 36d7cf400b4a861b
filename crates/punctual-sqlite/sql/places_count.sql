SELECT count(*) FROM history_places
WHERE sort = ?1 AND status = ?2 AND series = ?3 AND (value, id) >= (?4, ?5) AND (value, id) < (?6, ?7)
