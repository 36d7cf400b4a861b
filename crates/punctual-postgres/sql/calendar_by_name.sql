SELECT name, definition, version, updated_at FROM calendars WHERE name = $1
