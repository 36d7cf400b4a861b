SELECT 1 FROM running_all WHERE job_id = $1 LIMIT 1
