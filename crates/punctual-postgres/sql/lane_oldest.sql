SELECT id, term FROM running WHERE lane_id = $1 ORDER BY id LIMIT 1
