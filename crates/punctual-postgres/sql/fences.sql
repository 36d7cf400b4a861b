SELECT f.sort, f.status, f.series, f.value, f.id, f.rows
FROM unnest($1::smallint[], $2::smallint[], $3::bigint[]) AS l(sort, status, series)
JOIN history_fences f ON f.sort = l.sort AND f.status = l.status AND f.series = l.series
ORDER BY f.sort, f.status, f.series, f.value, f.id
