INSERT INTO calendars (name, definition, version, updated_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (name) DO UPDATE SET definition = excluded.definition, version = excluded.version, updated_at = excluded.updated_at
