SELECT count(*), count(cancel) FROM task_history WHERE lane_id = ?1 AND status = 0
