SELECT f.sort, f.status, f.series, f.value, f.id, f.rows
FROM unnest($1::smallint[], $2::smallint[], $3::bigint[]) AS l(sort, status, series)
CROSS JOIN LATERAL (
    SELECT * FROM history_fences WHERE sort = l.sort AND status = l.status AND series = l.series OFFSET 0) f
ORDER BY f.sort, f.status, f.series, f.value, f.id
