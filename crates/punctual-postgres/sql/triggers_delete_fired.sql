-- Those whose only instant was claimed, unless they were edited since and are due again.
DELETE FROM triggers t WHERE t.id = ANY($1::bigint[]) AND NOT EXISTS (SELECT FROM due d WHERE d.trigger_id = t.id OFFSET 0)
