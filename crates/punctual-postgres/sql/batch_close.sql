-- Moves fires of a batch to the history; which ones, the first answer says, and the second how many are left. $3 has a 1 for
-- each fire that ended. The other arrays are in the order of the batch: one of one value holds for all, an empty one for none.
WITH batch AS (
    SELECT b.*, $3::text::varbit AS ends FROM running_batches b WHERE b.id = $1 AND b.term = $2 FOR UPDATE
), moved AS (
    SELECT coalesce(f.id, b.id + f.place - 1) AS id, b.term, b.started_at, coalesce(f.scheduled_at, b.scheduled_at[1]) AS scheduled_at,
        coalesce(f.cause, b.causes[1]) AS cause, coalesce(f.job_group, b.job_groups[1]) AS job_group,
        coalesce(f.job_name, b.job_names[1]) AS job_name, coalesce(f.trigger_group, b.trigger_groups[1]) AS trigger_group,
        f.trigger_name, b.node, coalesce(f.status, ($4::smallint[])[1]) AS status, f.ended_at, f.duration_ms, f.details,
        coalesce(f.keep, ($8::boolean[])[1]) AS keep, CASE cardinality($9) WHEN 1 THEN ($9::text[])[1] ELSE f.logs END AS logs,
        f.progress, coalesce(f.series, ($11::bigint[])[1]) AS series
    FROM batch b
    CROSS JOIN LATERAL unnest(b.ids, b.scheduled_at, b.causes, b.job_groups, b.job_names, b.trigger_groups, b.trigger_names,
        $4::smallint[], $5::bigint[], $6::bigint[], $7::text[], $8::boolean[], $9::text[], $10::text[], $11::bigint[])
        WITH ORDINALITY AS f(id, scheduled_at, cause, job_group, job_name, trigger_group, trigger_name,
            status, ended_at, duration_ms, details, keep, logs, progress, series, place)
    WHERE get_bit(b.ends, f.place::integer - 1) = 1 AND get_bit(b.ended, f.place::integer - 1) = 0
), kept AS (
    INSERT INTO task_history (id, term, started_at, ended_at, duration_ms, scheduled_at, origin, attempt, status, cause, task,
        job_group, job_name, trigger_group, trigger_name, node, details, logs, progress)
    SELECT id, term, started_at, ended_at, duration_ms, scheduled_at, id, 1, status, cause, job_name,
        job_group, job_name, trigger_group, trigger_name, node, details, logs, progress
    FROM moved WHERE keep
), noted AS (
    INSERT INTO history_noted (gone, ids, series, statuses, started_at, ended_at, durations_ms)
    SELECT false, array_agg(id), array_agg(series), array_agg(status), array_agg(started_at), array_agg(ended_at),
        array_agg(coalesce(duration_ms, 9223372036854775807))
    FROM moved WHERE keep HAVING count(*) > 0
), finished AS (
    DELETE FROM running_batches b USING batch WHERE b.id = batch.id AND bit_count(batch.ended | batch.ends) = length(batch.ends)
), begun AS (
    UPDATE running_batches b SET ended = batch.ended | batch.ends FROM batch
    WHERE b.id = batch.id AND bit_count(batch.ended | batch.ends) < length(batch.ends)
)
SELECT (SELECT array_agg(id) FROM moved), (SELECT length(ends) - bit_count(ended | ends) FROM batch)
