-- The rows move to the history in one statement; which ones, the answer says. An array of one value holds for all rows, and
-- an empty one for none.
WITH moved AS (
    DELETE FROM running r
    USING unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::bigint[], $5::bigint[], $6::text[], $7::boolean[], $8::text[],
        $9::text[], $10::bigint[])
        AS d(id, term, status, ended_at, duration_ms, details, keep, logs, progress, series)
    WHERE r.id BETWEEN d.id AND d.id AND r.term = coalesce(d.term, ($2::bigint[])[1])
    RETURNING r.id, r.term, r.started_at, r.scheduled_at, r.origin, r.attempt, r.cause, r.job_group, r.job_name, r.trigger_group,
        r.trigger_name, r.node, coalesce(d.status, ($3::smallint[])[1]) AS status, d.ended_at, d.duration_ms, d.details,
        coalesce(d.keep, ($7::boolean[])[1]) AS keep, CASE cardinality($8) WHEN 1 THEN ($8::text[])[1] ELSE d.logs END AS logs,
        coalesce(d.progress, r.progress) AS progress, coalesce(d.series, ($10::bigint[])[1]) AS series
), kept AS (
    INSERT INTO task_history (id, term, started_at, ended_at, duration_ms, scheduled_at, origin, attempt, status, cause, task,
        job_group, job_name, trigger_group, trigger_name, node, details, logs, progress)
    SELECT id, term, started_at, ended_at, duration_ms, scheduled_at, origin, attempt, status, cause, job_name,
        job_group, job_name, trigger_group, trigger_name, node, details, logs, progress
    FROM moved WHERE keep
), noted AS (
    INSERT INTO history_noted (gone, ids, series, statuses, started_at, ended_at, durations_ms)
    SELECT false, array_agg(id), array_agg(series), array_agg(status), array_agg(started_at), array_agg(ended_at),
        array_agg(coalesce(duration_ms, 9223372036854775807))
    FROM moved WHERE keep HAVING count(*) > 0
)
SELECT array_agg(id) FROM moved
