DELETE FROM gates WHERE lane_id = ANY($1::bigint[])
