UPDATE task_runs SET status = ?2, ended_at = ?3 WHERE id = ?1
