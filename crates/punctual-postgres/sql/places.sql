SELECT p.value, p.id
FROM unnest($1::smallint[], $2::smallint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
    AS s(sort, status, series, from_value, from_id, to_value, to_id)
CROSS JOIN LATERAL (
    SELECT value, id FROM history_places WHERE sort = s.sort AND status = s.status AND series = s.series
        AND (value, id) >= (s.from_value, s.from_id) AND (value, id) < (s.to_value, s.to_id) OFFSET 0) p
