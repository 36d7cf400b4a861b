SELECT 1 FROM running WHERE job_id = $1 LIMIT 1
