SELECT DISTINCT job_id, job_name, job_group FROM running WHERE id = ANY($1::bigint[])
