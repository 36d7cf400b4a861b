SELECT id, task, job_group FROM history_series WHERE task = ?1
