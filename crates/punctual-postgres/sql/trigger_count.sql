-- The rows of a trigger from one place up to another, of a status ($7) if it is given, by the index alone.
SELECT count(*) FROM task_history
WHERE trigger_group = $1 AND trigger_name = $2 AND (started_at, id) >= ($3::bigint, $4::bigint)
  AND (started_at, id) < ($5::bigint, $6::bigint) AND ($7::smallint IS NULL OR status = $7)
