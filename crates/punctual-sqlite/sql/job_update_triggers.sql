UPDATE triggers SET kind_id = ?2 WHERE job_id = ?1
