DELETE FROM history_places p
USING unnest($1::smallint[], $2::smallint[], $3::bigint[], $4::bigint[], $5::bigint[]) AS d(sort, status, series, value, id)
WHERE p.sort = d.sort AND p.status = d.status AND p.series = d.series AND p.value = d.value AND p.id = d.id
