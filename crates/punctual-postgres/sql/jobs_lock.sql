SELECT id FROM jobs WHERE id = ANY($1::bigint[]) AND NOT durable ORDER BY id FOR UPDATE
