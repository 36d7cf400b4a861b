-- Those whose last instant was claimed: they have no row in due any more, or one that says complete.
WITH gone AS (
    DELETE FROM triggers t
    WHERE t.id = ANY($1::bigint[]) AND NOT EXISTS (SELECT FROM due d WHERE d.trigger_id = t.id AND d.state <> 2)
    RETURNING t.id)
DELETE FROM due d USING gone WHERE d.trigger_id = gone.id
