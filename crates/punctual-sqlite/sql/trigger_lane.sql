SELECT lane_id FROM triggers WHERE id = ?1
