INSERT INTO history_fences (sort, status, series, value, id, rows) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT DO UPDATE SET rows = excluded.rows
