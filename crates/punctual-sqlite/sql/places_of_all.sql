SELECT value, id FROM history_places INDEXED BY history_places_of_all
WHERE sort = ?1 AND status = ?2 AND (value, id) >= (?3, ?4) AND (value, id) < (?5, ?6)
