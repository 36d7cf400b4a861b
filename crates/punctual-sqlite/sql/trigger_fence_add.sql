INSERT INTO history_trigger_fences (trigger, value, id, series, status, rows) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT DO UPDATE SET rows = rows + excluded.rows
