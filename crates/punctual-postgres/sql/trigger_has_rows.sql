-- Those of some rows that a trigger has.
SELECT id FROM task_history WHERE id = ANY($1::bigint[]) AND trigger_group = $2 AND trigger_name = $3
