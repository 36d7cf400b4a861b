-- Built by the files in migrations/, in their order.

CREATE TABLE api_tokens (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    hash         TEXT NOT NULL UNIQUE,  -- SHA-256 of the token
    user_id      INTEGER NOT NULL,
    name         TEXT NOT NULL,
    scopes       INTEGER NOT NULL,      -- bits, as of groups; 8 superuser
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    last_used_at INTEGER
);

CREATE INDEX api_tokens_user ON api_tokens (user_id);

CREATE TABLE audit_log (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    at        INTEGER NOT NULL,
    actor     TEXT NOT NULL,
    actor_id  INTEGER,
    action    TEXT NOT NULL,
    subject   TEXT NOT NULL,
    old_value TEXT,                     -- JSON, without secrets
    new_value TEXT,
    note      TEXT
);

CREATE INDEX audit_log_at ON audit_log (at);

CREATE TABLE calendars (
    name       TEXT PRIMARY KEY,
    definition TEXT NOT NULL,    -- JSON
    version    INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE gates (
    lane_id       INTEGER NOT NULL,
    kind_id       INTEGER NOT NULL,
    next_fire_at  INTEGER NOT NULL,
    priority_rank INTEGER NOT NULL,
    trigger_id    INTEGER NOT NULL,
    PRIMARY KEY (lane_id, kind_id)
) WITHOUT ROWID;

CREATE INDEX gates_due ON gates (kind_id, next_fire_at, priority_rank);

CREATE TABLE history_fences (
    sort   INTEGER NOT NULL,
    status INTEGER NOT NULL,
    series INTEGER NOT NULL,
    value  INTEGER NOT NULL,
    id     INTEGER NOT NULL,
    rows   INTEGER NOT NULL,
    PRIMARY KEY (sort, status, series, value, id)
) WITHOUT ROWID;

CREATE TABLE history_noted (
    id    INTEGER PRIMARY KEY,
    rows  INTEGER NOT NULL,
    noted BLOB NOT NULL
);

CREATE TABLE "history_places" (
    sort   INTEGER NOT NULL,
    status INTEGER NOT NULL,
    series INTEGER NOT NULL,
    value  INTEGER NOT NULL,
    id     INTEGER NOT NULL,
    other  INTEGER NOT NULL,     -- the duration in the order by start, otherwise the start
    PRIMARY KEY (sort, status, series, value, id)
) WITHOUT ROWID;

CREATE INDEX history_places_of_all ON history_places (sort, status, value, id, other);

CREATE TABLE history_rollups (
    level     INTEGER NOT NULL,
    series    INTEGER NOT NULL,
    bucket    INTEGER NOT NULL,
    success   INTEGER NOT NULL,
    failed    INTEGER NOT NULL,
    unknown   INTEGER NOT NULL,
    total_ms  INTEGER NOT NULL,
    durations TEXT NOT NULL,     -- CLASS:ROWS, with commas between
    PRIMARY KEY (level, series, bucket)
) WITHOUT ROWID;

CREATE TABLE history_series (
    id        INTEGER PRIMARY KEY,
    task      TEXT NOT NULL,
    job_group TEXT NOT NULL,
    UNIQUE (task, job_group)
);

CREATE TABLE history_trigger_fences (
    trigger INTEGER NOT NULL,
    value   INTEGER NOT NULL,
    id      INTEGER NOT NULL,
    series  INTEGER NOT NULL,
    status  INTEGER NOT NULL,
    rows    INTEGER NOT NULL,
    PRIMARY KEY (trigger, value, id, series, status)
) WITHOUT ROWID;

CREATE TABLE history_triggers (
    id            INTEGER PRIMARY KEY,
    trigger_group TEXT NOT NULL,
    trigger_name  TEXT NOT NULL,
    upto_value    INTEGER NOT NULL,
    upto_id       INTEGER NOT NULL,
    UNIQUE (trigger_group, trigger_name)
);

CREATE TABLE jobs (
    id            INTEGER PRIMARY KEY,
    job_group     TEXT NOT NULL,
    job_name      TEXT NOT NULL,
    kind_id       INTEGER NOT NULL,
    definition    TEXT NOT NULL,
    version       INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    UNIQUE (job_group, job_name)
);

CREATE TABLE kinds (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

CREATE TABLE locks (
    name        TEXT NOT NULL,
    token       INTEGER NOT NULL, -- fencing token, larger than every earlier one
    mode        INTEGER NOT NULL, -- 0 shared, 1 exclusive
    node        TEXT NOT NULL,
    term        INTEGER,
    purpose     TEXT NOT NULL,
    acquired_at INTEGER NOT NULL,
    lease_until INTEGER NOT NULL,
    PRIMARY KEY (name, token)
) WITHOUT ROWID;

CREATE INDEX locks_lease ON locks (lease_until);

CREATE INDEX locks_token ON locks (token);

CREATE TABLE login_failures (
    key       TEXT PRIMARY KEY,    -- a name (a part of its hash) or an address
    count     INTEGER NOT NULL,
    last_at   INTEGER NOT NULL,
    forget_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX login_failures_forget ON login_failures (forget_at);

CREATE TABLE nodes (
    term        INTEGER PRIMARY KEY,
    name        TEXT NOT NULL,
    version     TEXT NOT NULL,
    state       TEXT NOT NULL,
    kinds       TEXT NOT NULL, -- JSON array
    started_at  INTEGER NOT NULL,
    seen_at     INTEGER NOT NULL,
    lease_until INTEGER NOT NULL
, clock_offset_ms INTEGER NOT NULL DEFAULT 0, clock_uncertainty_ms INTEGER NOT NULL DEFAULT 0, slots INTEGER, draining INTEGER NOT NULL DEFAULT 0);

CREATE TABLE paused_groups (name TEXT PRIMARY KEY) WITHOUT ROWID;

CREATE TABLE request_keys (
    key        TEXT PRIMARY KEY,    -- hash of the key and of who sent it
    request    TEXT NOT NULL,       -- hash of the request
    busy_until INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    answer     TEXT
) WITHOUT ROWID;

CREATE INDEX request_keys_expires ON request_keys (expires_at);

CREATE TABLE sequences (
    name TEXT PRIMARY KEY,
    next INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE sessions (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    hash       TEXT NOT NULL UNIQUE,    -- SHA-256 of the id
    user_id    INTEGER NOT NULL,
    address    TEXT,
    created_at INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL
);

CREATE INDEX sessions_user ON sessions (user_id);

CREATE TABLE skipped_ranges (
    id            INTEGER PRIMARY KEY,
    trigger_group TEXT NOT NULL,
    trigger_name  TEXT NOT NULL,
    job_group     TEXT NOT NULL,
    job_name      TEXT NOT NULL,
    first_at      INTEGER NOT NULL,
    last_at       INTEGER NOT NULL,
    count         INTEGER NOT NULL,
    reason        TEXT NOT NULL,
    recorded_at   INTEGER NOT NULL,
    fire_id       INTEGER
);

CREATE INDEX skipped_ranges_trigger ON skipped_ranges (trigger_group, trigger_name, last_at);

CREATE TABLE task_history (
    id            INTEGER PRIMARY KEY,
    task          TEXT NOT NULL,
    status        INTEGER NOT NULL, -- 0 started, 1 success, 2 failed, 3 unknown
    started_at    INTEGER NOT NULL,
    ended_at      INTEGER,
    duration_ms   INTEGER,
    details       TEXT,             -- JSON
    db_id         INTEGER,
    job_id        INTEGER NOT NULL, -- 0: recorded outside of jobs
    job_group     TEXT,
    job_name      TEXT,
    trigger_id    INTEGER NOT NULL,
    trigger_group TEXT,
    trigger_name  TEXT,
    scheduled_at  INTEGER,
    term          INTEGER NOT NULL,
    node          TEXT NOT NULL,
    attempt       INTEGER NOT NULL,
    origin        INTEGER NOT NULL,
    cause         INTEGER NOT NULL,
    data          TEXT              -- the trigger's data, while the fire is open and may be recovered
, lane_id INTEGER, cancel TEXT, parent_id INTEGER, run_id INTEGER, logs TEXT, progress TEXT);

CREATE INDEX task_history_cancelled ON task_history (term) WHERE status = 0 AND cancel IS NOT NULL;

CREATE INDEX task_history_lane ON task_history (lane_id) WHERE status = 0 AND lane_id IS NOT NULL;

CREATE INDEX task_history_moved_clock ON task_history (started_at) WHERE ended_at < started_at;

CREATE INDEX task_history_off_time ON task_history (scheduled_at)
    WHERE started_at < scheduled_at OR started_at > scheduled_at + 3600000;

CREATE INDEX task_history_off_time_of_trigger ON task_history (trigger_group, trigger_name, scheduled_at)
    WHERE started_at < scheduled_at OR started_at > scheduled_at + 3600000;

CREATE INDEX task_history_open ON task_history (job_id) WHERE status = 0;

CREATE INDEX task_history_origin ON task_history (origin) WHERE origin <> id;

CREATE INDEX task_history_parent ON task_history (parent_id) WHERE parent_id IS NOT NULL;

CREATE INDEX task_history_run ON task_history (run_id) WHERE run_id IS NOT NULL;

CREATE INDEX task_history_started_at ON task_history (started_at);

CREATE INDEX task_history_trigger ON task_history (trigger_group, trigger_name, started_at, scheduled_at)
    WHERE trigger_name IS NOT NULL;

CREATE TABLE task_names (name TEXT PRIMARY KEY) WITHOUT ROWID;

CREATE TABLE task_runs (
    id          INTEGER PRIMARY KEY,
    run_type    TEXT NOT NULL,
    entity_type TEXT NOT NULL,
    entity_id   INTEGER NOT NULL,
    entity_name TEXT,
    started_at  INTEGER NOT NULL,
    ended_at    INTEGER,
    status      INTEGER NOT NULL, -- 0 started, 1 success, 2 failed, 3 abandoned
    term        INTEGER NOT NULL, -- 0: of no node
    node        TEXT NOT NULL
);

CREATE INDEX task_runs_entity ON task_runs (run_type, entity_type, entity_id);

CREATE INDEX task_runs_open ON task_runs (term) WHERE status = 0;

CREATE INDEX task_runs_started_at ON task_runs (started_at);

CREATE TABLE triggers (
    id                   INTEGER PRIMARY KEY,
    trigger_group        TEXT NOT NULL,
    trigger_name         TEXT NOT NULL,
    job_id               INTEGER NOT NULL,
    kind_id              INTEGER NOT NULL, -- of the job
    description          TEXT,
    schedule             TEXT NOT NULL,    -- JSON
    start_at             INTEGER,
    end_at               INTEGER,
    priority_rank        INTEGER NOT NULL, -- the negative priority, so that all orders ascend
    calendar             TEXT,
    misfire              TEXT NOT NULL,    -- JSON
    misfire_threshold_ms INTEGER,
    data                 TEXT NOT NULL,    -- JSON object
    state                INTEGER NOT NULL, -- 0 waiting, 1 paused, 2 complete, 3 error
    anchor               INTEGER NOT NULL,
    rebased              TEXT,             -- JSON schedule that a misfire instruction put in place
    next_fire_at         INTEGER,
    previous_fire_at     INTEGER,
    fired                INTEGER NOT NULL,
    skipped              INTEGER NOT NULL,
    accounted_from       INTEGER NOT NULL,
    cause                INTEGER NOT NULL, -- 0 schedule; 1 manual, 2 retry, 3 recovery: a pending run
    pending              INTEGER NOT NULL, -- 1: a single pending run (a released fire has cause 0)
    attempt              INTEGER NOT NULL,
    origin               INTEGER,
    scheduled_at         INTEGER,
    for_group            TEXT,
    for_name             TEXT,
    error                TEXT,
    created_at           INTEGER NOT NULL,
    updated_at           INTEGER NOT NULL, lane_id INTEGER, lane_limit INTEGER NOT NULL DEFAULT 1, overlap INTEGER NOT NULL DEFAULT 0, event TEXT,
    UNIQUE (trigger_group, trigger_name)
);

CREATE INDEX triggers_calendar ON triggers (calendar) WHERE calendar IS NOT NULL;

CREATE INDEX triggers_due ON triggers (kind_id, next_fire_at, priority_rank)
    WHERE state = 0 AND lane_id IS NULL AND next_fire_at IS NOT NULL;

CREATE INDEX triggers_event ON triggers (event) WHERE event IS NOT NULL;

CREATE INDEX triggers_in_error ON triggers (id) WHERE state = 3;

CREATE INDEX triggers_job ON triggers (job_id);

CREATE INDEX triggers_lane ON triggers (lane_id, lane_limit, kind_id, next_fire_at, priority_rank)
    WHERE state = 0 AND lane_id IS NOT NULL AND next_fire_at IS NOT NULL;

CREATE INDEX triggers_overlap ON triggers (lane_id, overlap, kind_id, next_fire_at, priority_rank)
    WHERE state = 0 AND overlap > 0 AND pending = 0 AND lane_id IS NOT NULL AND next_fire_at IS NOT NULL;

CREATE INDEX triggers_without_next ON triggers (id) WHERE next_fire_at IS NULL AND state IN (0, 1);

CREATE TABLE user_group_members (
    group_id INTEGER NOT NULL,
    user_id  INTEGER NOT NULL,
    PRIMARY KEY (group_id, user_id)
) WITHOUT ROWID;

CREATE INDEX user_group_members_user ON user_group_members (user_id);

CREATE TABLE user_groups (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT NOT NULL,
    name_key    TEXT NOT NULL UNIQUE,
    permissions INTEGER NOT NULL,       -- bits: 1 monitoring, 2 operate, 4 edit, each with those before it
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
);

CREATE TABLE users (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    name          TEXT NOT NULL,
    name_key      TEXT NOT NULL UNIQUE, -- the name in lower case
    password      TEXT NOT NULL,        -- PHC string
    superuser     INTEGER NOT NULL,
    disabled      INTEGER NOT NULL,
    must_change   INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    last_login_at INTEGER
);

CREATE VIEW task_history_readable AS
SELECT id, task, CASE status WHEN 0 THEN 'started' WHEN 1 THEN 'success' WHEN 2 THEN 'failed' ELSE 'unknown' END AS status,
       datetime(started_at / 1000.0, 'unixepoch', 'subsec') AS started_at,
       datetime(ended_at / 1000.0, 'unixepoch', 'subsec') AS ended_at,
       duration_ms, job_group || '.' || job_name AS job, trigger_group || '.' || trigger_name AS trigger_key,
       datetime(scheduled_at / 1000.0, 'unixepoch', 'subsec') AS scheduled_at, node, attempt, details
FROM task_history;

CREATE VIEW triggers_readable AS
SELECT t.id, t.trigger_group || '.' || t.trigger_name AS trigger_key, j.job_group || '.' || j.job_name AS job,
       CASE t.state WHEN 0 THEN 'waiting' WHEN 1 THEN 'paused' WHEN 2 THEN 'complete' ELSE 'error' END AS state,
       datetime(t.next_fire_at / 1000.0, 'unixepoch', 'subsec') AS next_fire_at,
       datetime(t.previous_fire_at / 1000.0, 'unixepoch', 'subsec') AS previous_fire_at,
       t.schedule, t.fired, t.skipped, t.error
FROM triggers t JOIN jobs j ON j.id = t.job_id;
