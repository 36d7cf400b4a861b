SELECT r.id, r.run_type, r.entity_type, r.entity_id, r.entity_name, r.started_at, r.ended_at, r.status, r.term, r.node,
       (SELECT count(*) FROM task_history h WHERE h.run_id = r.id) AS task_count,
       (SELECT count(*) FROM task_history h WHERE h.run_id = r.id AND h.status = 1) AS success_count,
       (SELECT count(*) FROM task_history h WHERE h.run_id = r.id AND h.status = 2) AS failed_count
FROM task_runs r
WHERE r.id = ?1
