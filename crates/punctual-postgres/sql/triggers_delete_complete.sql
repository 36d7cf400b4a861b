-- Those whose last instant was claimed: they have no row in due any more, or one that says complete.
WITH gone AS (
    DELETE FROM triggers t
    WHERE t.id = ANY($1::bigint[]) AND NOT EXISTS (SELECT FROM due d WHERE d.trigger_id = t.id AND d.state <> 2 OFFSET 0)
    RETURNING t.id)
DELETE FROM due WHERE trigger_id = ANY(ARRAY(SELECT id FROM gone))
