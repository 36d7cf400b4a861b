-- How many of some rows a trigger has.
SELECT count(*) FROM task_history WHERE id = ANY($1::bigint[]) AND trigger_group = $2 AND trigger_name = $3
