SELECT id, request, data FROM run_requests WHERE id > $1 ORDER BY id LIMIT $2
