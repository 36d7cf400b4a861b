SELECT lane_id, ended_at FROM lanes WHERE lane_id = ANY($1::bigint[]) ORDER BY lane_id FOR UPDATE SKIP LOCKED
