SELECT count(*), min(written_at) FROM run_requests
