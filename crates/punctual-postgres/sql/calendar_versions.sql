SELECT name, version FROM calendars WHERE name = ANY($1::text[])
