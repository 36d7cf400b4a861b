INSERT INTO history_series (task, job_group) SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING
