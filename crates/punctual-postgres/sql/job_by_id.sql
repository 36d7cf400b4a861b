SELECT id, job_group, job_name, definition, version, created_at, updated_at FROM jobs WHERE id = $1
