-- The node that runs it hears of it at once, when it listens.
WITH asked AS (UPDATE running SET cancel = coalesce(cancel, $2) WHERE id = $1 RETURNING lane_id)
SELECT lane_id, pg_notify('punctual', 'heartbeat ' || current_schema()) FROM asked
