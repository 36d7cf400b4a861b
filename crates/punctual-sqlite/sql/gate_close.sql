DELETE FROM gates WHERE lane_id = ?1
