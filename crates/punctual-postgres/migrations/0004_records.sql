-- Work that is recorded beside the runs of jobs: children, task runs, and what rows report.
ALTER TABLE running ADD COLUMN progress text;
ALTER TABLE task_history ADD COLUMN parent_id bigint;
ALTER TABLE task_history ADD COLUMN run_id bigint;
ALTER TABLE task_history ADD COLUMN logs text;     -- JSON array
ALTER TABLE task_history ADD COLUMN progress text; -- JSON
CREATE INDEX task_history_parent ON task_history (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX task_history_run ON task_history (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX task_history_open ON task_history (term) WHERE status = 0;

CREATE OR REPLACE VIEW task_history_all AS
SELECT id, task, status, started_at, ended_at, duration_ms, details, db_id, job_group, job_name, trigger_group, trigger_name,
       scheduled_at, node, attempt, origin, cause, term, parent_id, run_id, logs, progress
FROM task_history
UNION ALL
SELECT id, job_name, 0::smallint, started_at, NULL, NULL, NULL, NULL, job_group, job_name, trigger_group, trigger_name,
       scheduled_at, node, attempt, origin, cause, term, NULL, NULL, NULL, progress
FROM running;

CREATE TABLE task_runs (
    id          bigint PRIMARY KEY,
    run_type    text NOT NULL COLLATE "C",
    entity_type text NOT NULL COLLATE "C",
    entity_id   bigint NOT NULL,
    entity_name text COLLATE "C",
    started_at  bigint NOT NULL,
    ended_at    bigint,
    status      smallint NOT NULL,         -- 0 started, 1 success, 2 failed, 3 abandoned
    term        bigint,                    -- NULL: of no node
    node        text NOT NULL
);
CREATE INDEX task_runs_started_at ON task_runs (started_at, id);
CREATE INDEX task_runs_entity ON task_runs (run_type, entity_type, entity_id);
CREATE INDEX task_runs_open ON task_runs (term) WHERE status = 0;
