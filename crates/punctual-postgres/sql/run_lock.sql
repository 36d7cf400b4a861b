SELECT status FROM task_runs WHERE id = $1 FOR UPDATE
