DELETE FROM history_noted WHERE id = ANY($1::bigint[])
