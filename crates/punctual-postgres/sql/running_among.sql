SELECT id FROM running_all WHERE id = ANY($1::bigint[]) AND term = $2
