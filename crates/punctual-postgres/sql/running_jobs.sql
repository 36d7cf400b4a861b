SELECT DISTINCT job_id, job_name, job_group FROM running_all WHERE id = ANY($1::bigint[])
