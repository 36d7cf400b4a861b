DELETE FROM gates WHERE job_id = ?1
