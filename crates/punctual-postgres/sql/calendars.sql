SELECT name, definition, version, updated_at FROM calendars ORDER BY name
