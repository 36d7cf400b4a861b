SELECT id, name FROM kinds WHERE name = ANY($1::text[])
