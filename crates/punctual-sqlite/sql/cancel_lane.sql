SELECT lane_id FROM task_history WHERE id = ?1
