-- Instants are whole milliseconds since 1970-01-01T00:00:00Z. Ids come in blocks of ten thousand from `id_blocks`.

CREATE SEQUENCE id_blocks;

CREATE TABLE kinds (
    id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE
);

CREATE TABLE jobs (
    id         bigint PRIMARY KEY,
    job_group  text NOT NULL COLLATE "C",
    job_name   text NOT NULL COLLATE "C",
    kind_id    bigint NOT NULL,
    definition text NOT NULL,             -- JSON
    durable    boolean NOT NULL,
    version    bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    UNIQUE (job_group, job_name)
);

-- What a trigger is. Rarely written, so that it can have the indexes that lists need.
CREATE TABLE triggers (
    id                   bigint PRIMARY KEY,
    trigger_group        text NOT NULL COLLATE "C",
    trigger_name         text NOT NULL COLLATE "C",
    job_id               bigint NOT NULL,
    description          text,
    schedule             text NOT NULL,   -- JSON
    start_at             bigint,
    end_at               bigint,
    calendar             text,
    misfire              text NOT NULL,   -- JSON
    misfire_threshold_ms bigint,
    data                 text NOT NULL,   -- JSON object
    anchor               bigint NOT NULL,
    rebased              text,            -- JSON schedule that a misfire instruction put in place
    accounted_from       bigint NOT NULL,
    cause                smallint NOT NULL, -- 0 schedule; 1 manual, 2 retry, 3 recovery: a pending run
    pending              boolean NOT NULL,  -- a single pending run (a released fire has cause 0)
    attempt              bigint NOT NULL,
    origin               bigint,
    scheduled_at         bigint,
    for_group            text,
    for_name             text,
    error                text,
    created_at           bigint NOT NULL,
    updated_at           bigint NOT NULL,
    UNIQUE (trigger_group, trigger_name)
);
CREATE INDEX triggers_job ON triggers (job_id);
CREATE INDEX triggers_calendar ON triggers (calendar) WHERE calendar IS NOT NULL;

-- Where a trigger stands. Written by each fire, so narrow and with few indexes. `version` grows with each change of
-- the definition, so that a node can keep definitions in memory. A trigger whose single instant was claimed has no row.
CREATE TABLE due (
    trigger_id       bigint PRIMARY KEY,
    kind_id          bigint NOT NULL,     -- of the job
    next_fire_at     bigint,
    priority_rank    bigint NOT NULL,     -- the negative priority, so that all orders ascend
    state            smallint NOT NULL,   -- 0 waiting, 1 paused, 2 complete, 3 error
    pending          boolean NOT NULL,
    lane_id          bigint,              -- NULL: runs may overlap freely
    lane_limit       integer NOT NULL,    -- runs only while fewer are open in the lane
    overlap          smallint NOT NULL,   -- while the lane is full: 0 queue, 1 skip, 2 cancel
    previous_fire_at bigint,
    fired            bigint NOT NULL,
    skipped          bigint NOT NULL,
    version          bigint NOT NULL
);
CREATE INDEX due_free ON due (kind_id, next_fire_at, priority_rank)
    WHERE state = 0 AND lane_id IS NULL AND next_fire_at IS NOT NULL;
CREATE INDEX due_lane ON due (lane_id, lane_limit, kind_id, next_fire_at, priority_rank)
    WHERE state = 0 AND lane_id IS NOT NULL AND next_fire_at IS NOT NULL;
CREATE INDEX due_overlap ON due (lane_id, overlap, kind_id, next_fire_at, priority_rank)
    WHERE state = 0 AND overlap > 0 AND NOT pending AND lane_id IS NOT NULL AND next_fire_at IS NOT NULL;

-- One row for each lane that ever had a trigger: what is locked while a lane's gates or runs change.
CREATE TABLE lanes (
    lane_id  bigint PRIMARY KEY,
    ended_at bigint NOT NULL DEFAULT 0    -- the last end of a run: none of the lane starts before it
) WITH (fillfactor = 50);

-- The first trigger of each lane and kind that may be taken.
CREATE TABLE gates (
    lane_id       bigint NOT NULL,
    kind_id       bigint NOT NULL,
    next_fire_at  bigint NOT NULL,
    priority_rank bigint NOT NULL,
    trigger_id    bigint NOT NULL,
    PRIMARY KEY (lane_id, kind_id)
);
CREATE INDEX gates_due ON gates (kind_id, next_fire_at, priority_rank);

-- Open fires. A row moves to task_history when its run has ended, so that the history is only ever appended to.
CREATE TABLE running (
    id            bigint PRIMARY KEY,
    term          bigint NOT NULL,
    job_id        bigint NOT NULL,
    trigger_id    bigint NOT NULL,
    lane_id       bigint,
    started_at    bigint NOT NULL,
    scheduled_at  bigint NOT NULL,
    origin        bigint NOT NULL,
    attempt       bigint NOT NULL,
    cause         smallint NOT NULL,
    job_group     text NOT NULL,
    job_name      text NOT NULL,
    trigger_group text NOT NULL,
    trigger_name  text NOT NULL,
    node          text NOT NULL,
    data          text,                   -- the trigger's data, where the fire may be recovered
    cancel        text                    -- why the run was asked to stop
) WITH (autovacuum_vacuum_cost_delay = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_scale_factor = 0);
CREATE INDEX running_job ON running (job_id);
CREATE INDEX running_lane ON running (lane_id) WHERE lane_id IS NOT NULL;
CREATE INDEX running_cancelled ON running (term) WHERE cancel IS NOT NULL;

CREATE TABLE task_history (
    id            bigint PRIMARY KEY,
    started_at    bigint NOT NULL,
    ended_at      bigint,
    duration_ms   bigint,
    scheduled_at  bigint,
    db_id         bigint,
    origin        bigint NOT NULL,
    attempt       bigint NOT NULL,
    status        smallint NOT NULL,      -- 0 started, 1 success, 2 failed, 3 unknown
    cause         smallint NOT NULL,
    term          bigint,                 -- NULL: recorded outside of jobs
    task          text NOT NULL,
    job_group     text,
    job_name      text,
    trigger_group text,
    trigger_name  text,
    node          text NOT NULL,
    details       text                    -- JSON
);
CREATE INDEX task_history_started_at ON task_history (started_at, id);

CREATE VIEW task_history_all AS
SELECT id, task, status, started_at, ended_at, duration_ms, details, db_id, job_group, job_name, trigger_group, trigger_name,
       scheduled_at, node, attempt, origin, cause, term
FROM task_history
UNION ALL
SELECT id, job_name, 0::smallint, started_at, NULL, NULL, NULL, NULL, job_group, job_name, trigger_group, trigger_name,
       scheduled_at, node, attempt, origin, cause, term
FROM running;

CREATE TABLE task_names (name text COLLATE "C" PRIMARY KEY);

CREATE TABLE skipped_ranges (
    id            bigint PRIMARY KEY,
    trigger_group text NOT NULL,
    trigger_name  text NOT NULL,
    job_group     text NOT NULL,
    job_name      text NOT NULL,
    first_at      bigint NOT NULL,
    last_at       bigint NOT NULL,
    count         bigint NOT NULL,
    reason        text NOT NULL,
    recorded_at   bigint NOT NULL,
    fire_id       bigint
);
CREATE INDEX skipped_ranges_trigger ON skipped_ranges (trigger_group, trigger_name, last_at);

CREATE TABLE paused_groups (name text PRIMARY KEY);

CREATE TABLE calendars (
    name       text COLLATE "C" PRIMARY KEY,
    definition text NOT NULL,             -- JSON
    version    bigint NOT NULL,
    updated_at bigint NOT NULL
);

CREATE TABLE nodes (
    term        bigint PRIMARY KEY,
    name        text NOT NULL,
    version     text NOT NULL,
    state       text NOT NULL,
    kinds       text NOT NULL,            -- JSON array
    started_at  bigint NOT NULL,
    seen_at     bigint NOT NULL,
    lease_until bigint NOT NULL,
    clock_offset_ms      bigint NOT NULL,
    clock_uncertainty_ms bigint NOT NULL
);

CREATE SEQUENCE lock_tokens;

CREATE TABLE locks (
    name        text NOT NULL COLLATE "C",
    token       bigint NOT NULL,
    mode        smallint NOT NULL,        -- 0 shared, 1 exclusive
    node        text NOT NULL,
    term        bigint,
    purpose     text NOT NULL,
    acquired_at bigint NOT NULL,
    lease_until bigint NOT NULL,
    PRIMARY KEY (name, token)
);
