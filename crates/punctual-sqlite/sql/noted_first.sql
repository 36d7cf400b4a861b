SELECT id, rows, noted FROM history_noted ORDER BY id
