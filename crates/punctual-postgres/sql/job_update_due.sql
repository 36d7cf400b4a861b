UPDATE due SET kind_id = $2 WHERE trigger_id = ANY(ARRAY(SELECT id FROM triggers WHERE job_id = $1))
