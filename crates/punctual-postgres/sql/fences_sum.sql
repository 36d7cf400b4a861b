SELECT l.number, sum(f.rows)::bigint
FROM unnest($1::bigint[], $2::smallint[], $3::smallint[], $4::bigint[]) AS l(number, sort, status, series)
JOIN history_fences f ON f.sort = l.sort AND f.status = l.status AND f.series = l.series
GROUP BY l.number
