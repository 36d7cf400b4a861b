SELECT 1 FROM due WHERE trigger_id = ANY($1::bigint[]) ORDER BY trigger_id FOR UPDATE
