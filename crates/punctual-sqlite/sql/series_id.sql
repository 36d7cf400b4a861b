SELECT id FROM history_series WHERE task = ?1 AND job_group = ?2
