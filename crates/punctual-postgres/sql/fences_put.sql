INSERT INTO history_fences (sort, status, series, value, id, rows)
SELECT * FROM unnest($1::smallint[], $2::smallint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
ON CONFLICT (sort, status, series, value, id) DO UPDATE SET rows = excluded.rows
