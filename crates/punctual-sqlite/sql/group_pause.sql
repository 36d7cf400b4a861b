INSERT OR IGNORE INTO paused_groups (name) VALUES (?1)
