DELETE FROM nodes WHERE term = ANY($1::bigint[])
