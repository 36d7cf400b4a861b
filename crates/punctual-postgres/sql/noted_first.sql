-- The oldest, until there are $1 rows, and how many rows there are in all.
SELECT gone, ids, series, statuses, started_at, ended_at, durations_ms, id, rows, trigger_groups, trigger_names
FROM (SELECT n.*, sum(cardinality(ids)) OVER (ORDER BY id) - cardinality(ids) AS before, sum(cardinality(ids)) OVER ()::bigint AS rows
      FROM history_noted n) n
WHERE before < $1
ORDER BY id
