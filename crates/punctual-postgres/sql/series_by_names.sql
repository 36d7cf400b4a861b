SELECT s.task, s.job_group, s.id FROM unnest($1::text[], $2::text[]) AS n(task, job_group)
CROSS JOIN LATERAL (SELECT * FROM history_series WHERE task = n.task AND job_group = n.job_group OFFSET 0) s
