SELECT s.task, s.job_group, s.id FROM unnest($1::text[], $2::text[]) AS n(task, job_group)
JOIN history_series s ON s.task = n.task AND s.job_group = n.job_group
