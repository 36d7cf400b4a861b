SELECT noted FROM history_noted ORDER BY id
