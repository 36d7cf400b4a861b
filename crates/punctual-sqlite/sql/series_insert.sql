INSERT INTO history_series (task, job_group) VALUES (?1, ?2)
