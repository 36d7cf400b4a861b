-- The oldest, until there are $1 rows, and how many rows there are in all.
SELECT n.gone, n.ids, n.series, n.statuses, n.started_at, n.ended_at, n.durations_ms, n.id, f.all_rows, n.trigger_groups, n.trigger_names
FROM (SELECT id, (sum(rows) OVER (ORDER BY id))::bigint - rows AS before, (sum(rows) OVER ())::bigint AS all_rows FROM history_noted) f
CROSS JOIN LATERAL (SELECT * FROM history_noted WHERE id = f.id OFFSET 0) n
WHERE f.before < $1
ORDER BY n.id
