DELETE FROM calendars WHERE name = $1
