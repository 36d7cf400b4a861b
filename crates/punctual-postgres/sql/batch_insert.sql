INSERT INTO running_batches (id, term, node, started_at, ended, ids, trigger_ids, scheduled_at, causes, job_ids, job_groups,
    job_names, trigger_groups, trigger_names)
VALUES ($1, $2, $3, $4, repeat('0', cardinality($6::bigint[]))::varbit, $5, $6, $7, $8, $9, $10, $11, $12, $13)
