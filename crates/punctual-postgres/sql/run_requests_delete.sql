DELETE FROM run_requests WHERE id = ANY($1::bigint[])
