SELECT id FROM running WHERE id = ANY($1::bigint[]) AND term = $2
