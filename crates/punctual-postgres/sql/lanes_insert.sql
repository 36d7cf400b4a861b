INSERT INTO lanes (lane_id) SELECT * FROM unnest($1::bigint[]) ON CONFLICT DO NOTHING
