DELETE FROM triggers WHERE id = ANY($1::bigint[])
