SELECT id, job_group, job_name, definition, version, created_at, updated_at FROM jobs WHERE job_group = $1 AND job_name = $2
