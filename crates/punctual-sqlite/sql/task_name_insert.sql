INSERT OR IGNORE INTO task_names (name) VALUES (?1)
