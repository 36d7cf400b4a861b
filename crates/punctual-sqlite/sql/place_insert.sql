INSERT OR IGNORE INTO history_places (sort, status, series, value, id, other) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
