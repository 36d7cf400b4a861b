-- The rows of a trigger from one place up to another, of a status ($7), a task ($8) or a job ($9, $10) where these are given.
SELECT count(*) FROM task_history
WHERE trigger_group = $1 AND trigger_name = $2 AND (started_at, id) >= ($3::bigint, $4::bigint)
  AND (started_at, id) < ($5::bigint, $6::bigint) AND ($7::smallint IS NULL OR status = $7)
  AND ($8::text IS NULL OR task = $8) AND ($9::text IS NULL OR (job_group = $9 AND job_name = $10::text))
