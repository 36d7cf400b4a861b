UPDATE triggers SET kind_id = ?2, exclusive = ?3 WHERE job_id = ?1
