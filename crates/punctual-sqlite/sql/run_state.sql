SELECT r.status,
       (SELECT count(*) FROM task_history h WHERE h.run_id = r.id),
       (SELECT count(*) FROM task_history h WHERE h.run_id = r.id AND h.status = 1),
       (SELECT count(*) FROM task_history h WHERE h.run_id = r.id AND h.status = 2)
FROM task_runs r
WHERE r.id = ?1
