INSERT INTO task_runs (id, run_type, entity_type, entity_id, entity_name, started_at, status, term, node)
VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8)
