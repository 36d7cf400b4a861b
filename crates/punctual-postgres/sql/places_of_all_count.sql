SELECT count(*)
FROM unnest($1::smallint[], $2::smallint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
    AS s(sort, status, from_value, from_id, to_value, to_id)
JOIN history_places p ON p.sort = s.sort AND p.status = s.status
    AND (p.value, p.id) >= (s.from_value, s.from_id) AND (p.value, p.id) < (s.to_value, s.to_id)
