SELECT 1 FROM triggers WHERE job_id = $1 LIMIT 1
