INSERT INTO task_names (name) SELECT * FROM unnest($1::text[]) ON CONFLICT DO NOTHING
