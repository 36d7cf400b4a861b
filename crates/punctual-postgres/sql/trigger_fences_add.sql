INSERT INTO history_trigger_fences (trigger, value, id, series, status, rows)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::smallint[], $6::bigint[])
ON CONFLICT (trigger, value, id, series, status) DO UPDATE SET rows = history_trigger_fences.rows + excluded.rows
