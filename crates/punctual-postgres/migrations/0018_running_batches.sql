-- Fires that one claim opened together, in one row: most of them end within milliseconds, and a row of `running` for each
-- would be written and deleted again for nothing. Only first attempts that nobody looks for by lane or data. Arrays are in the
-- order of the fires; an array of one value holds for all fires, and no ids say that they follow each other from `id` on.
CREATE TABLE running_batches (
    id             bigint PRIMARY KEY,    -- of the first fire
    term           bigint NOT NULL,
    node           text NOT NULL,
    started_at     bigint NOT NULL,
    ended          bit varying NOT NULL,  -- a bit for each fire: its row is in task_history or running
    ids            bigint[] NOT NULL,
    trigger_ids    bigint[] NOT NULL,
    scheduled_at   bigint[] NOT NULL,
    causes         smallint[] NOT NULL,
    job_ids        bigint[] NOT NULL,
    job_groups     text[] NOT NULL,
    job_names      text[] NOT NULL,
    trigger_groups text[] NOT NULL,
    trigger_names  text[] NOT NULL
) WITH (autovacuum_vacuum_cost_delay = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0,
        toast.autovacuum_vacuum_cost_delay = 0, toast.autovacuum_vacuum_threshold = 5000, toast.autovacuum_vacuum_scale_factor = 0);
ALTER TABLE running_batches ALTER ids SET STORAGE EXTERNAL, ALTER trigger_ids SET STORAGE EXTERNAL,
    ALTER scheduled_at SET STORAGE EXTERNAL, ALTER causes SET STORAGE EXTERNAL, ALTER job_ids SET STORAGE EXTERNAL,
    ALTER job_groups SET STORAGE EXTERNAL, ALTER job_names SET STORAGE EXTERNAL, ALTER trigger_groups SET STORAGE EXTERNAL,
    ALTER trigger_names SET STORAGE EXTERNAL;

-- The open fires of batches, a row each.
CREATE VIEW running_in_batches AS
SELECT b.id AS batch, coalesce(f.id, b.id + f.place - 1) AS id, b.term, coalesce(f.job_id, b.job_ids[1]) AS job_id, f.trigger_id,
       b.started_at, coalesce(f.scheduled_at, b.scheduled_at[1]) AS scheduled_at, coalesce(f.cause, b.causes[1]) AS cause,
       coalesce(f.job_group, b.job_groups[1]) AS job_group, coalesce(f.job_name, b.job_names[1]) AS job_name,
       coalesce(f.trigger_group, b.trigger_groups[1]) AS trigger_group, f.trigger_name, b.node
FROM running_batches b
CROSS JOIN LATERAL unnest(b.ids, b.trigger_ids, b.scheduled_at, b.causes, b.job_ids, b.job_groups, b.job_names, b.trigger_groups,
    b.trigger_names) WITH ORDINALITY
    AS f(id, trigger_id, scheduled_at, cause, job_id, job_group, job_name, trigger_group, trigger_name, place)
WHERE get_bit(b.ended, f.place::integer - 1) = 0;

-- All open fires.
CREATE VIEW running_all AS
SELECT id, term, job_id, trigger_id, lane_id, started_at, scheduled_at, origin, attempt, cause, job_group, job_name,
       trigger_group, trigger_name, node, data, cancel, progress
FROM running
UNION ALL
SELECT id, term, job_id, trigger_id, NULL, started_at, scheduled_at, id, 1, cause, job_group, job_name,
       trigger_group, trigger_name, node, NULL, NULL, NULL
FROM running_in_batches;

CREATE OR REPLACE VIEW task_history_all AS
SELECT id, task, status, started_at, ended_at, duration_ms, details, db_id, job_group, job_name, trigger_group, trigger_name,
       scheduled_at, node, attempt, origin, cause, term, parent_id, run_id, logs, progress
FROM task_history
UNION ALL
SELECT id, job_name, 0::smallint, started_at, NULL, NULL, NULL, NULL, job_group, job_name, trigger_group, trigger_name,
       scheduled_at, node, attempt, origin, cause, term, NULL, NULL, NULL, progress
FROM running_all;
