DELETE FROM history_places WHERE ctid = ANY(ARRAY(
    SELECT p.ctid
    FROM unnest($1::smallint[], $2::smallint[], $3::bigint[], $4::bigint[], $5::bigint[]) AS d(sort, status, series, value, id)
    CROSS JOIN LATERAL (
        SELECT ctid FROM history_places
        WHERE sort = d.sort AND status = d.status AND series = d.series AND value = d.value AND id = d.id OFFSET 0) p))
