-- $1: rows that are gone.
DELETE FROM task_history WHERE status <> 0 AND parent_id = ANY($1::bigint[])
RETURNING id, started_at
