INSERT INTO history_noted (rows, noted) VALUES (?1, ?2)
