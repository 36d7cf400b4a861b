SELECT lane_id, count(*) FROM running WHERE lane_id = ANY($1::bigint[]) GROUP BY lane_id
