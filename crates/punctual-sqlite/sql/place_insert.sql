INSERT OR IGNORE INTO history_places (sort, status, series, value, id) VALUES (?1, ?2, ?3, ?4, ?5)
