SELECT name FROM task_names ORDER BY name
