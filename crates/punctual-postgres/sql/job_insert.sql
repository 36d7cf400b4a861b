INSERT INTO jobs (id, job_group, job_name, kind_id, definition, durable, version, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $7)
