DELETE FROM due WHERE trigger_id = ANY($1::bigint[])
