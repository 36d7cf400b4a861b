INSERT INTO gates (lane_id, kind_id, next_fire_at, priority_rank, trigger_id) VALUES (?1, ?2, ?3, ?4, ?5)
