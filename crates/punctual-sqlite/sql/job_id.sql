SELECT id FROM jobs WHERE job_group = ?1 AND job_name = ?2
