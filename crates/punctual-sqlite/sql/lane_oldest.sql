SELECT id, term FROM task_history WHERE lane_id = ?1 AND status = 0 ORDER BY id LIMIT 1
