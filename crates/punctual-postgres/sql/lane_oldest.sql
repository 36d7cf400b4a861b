SELECT id, term FROM (SELECT id, term FROM running WHERE lane_id = $1 OFFSET 0) r ORDER BY id LIMIT 1
