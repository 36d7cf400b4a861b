-- A row of its own for each open fire of these batches.
WITH gone AS (
    DELETE FROM running_batches WHERE id = ANY($1::bigint[])
)
INSERT INTO running (id, term, job_id, trigger_id, started_at, scheduled_at, origin, attempt, cause, job_group, job_name,
    trigger_group, trigger_name, node)
SELECT id, term, job_id, trigger_id, started_at, scheduled_at, id, 1, cause, job_group, job_name, trigger_group, trigger_name, node
FROM running_in_batches
WHERE batch = ANY($1::bigint[])
