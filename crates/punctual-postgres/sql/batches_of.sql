SELECT DISTINCT batch FROM running_in_batches WHERE id = ANY($1::bigint[])
