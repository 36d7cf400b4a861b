-- The open fires of a trigger, of a task ($3) or a job ($4, $5) where these are given.
SELECT started_at, id FROM running_all
WHERE trigger_group = $1 AND trigger_name = $2 AND ($3::text IS NULL OR job_name = $3)
  AND ($4::text IS NULL OR (job_group = $4 AND job_name = $5::text))
