SELECT id, trigger_group, trigger_name FROM task_history WHERE id = ANY($1::bigint[])
