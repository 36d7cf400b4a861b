INSERT INTO jobs (id, job_group, job_name, kind_id, definition, exclusive, skips_overlap, version, created_at, updated_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, ?8, ?8)
