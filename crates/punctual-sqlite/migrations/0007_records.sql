-- Work that is recorded beside the runs of jobs: children, task runs, and what rows report.
ALTER TABLE task_history ADD COLUMN parent_id INTEGER;
ALTER TABLE task_history ADD COLUMN run_id INTEGER;
ALTER TABLE task_history ADD COLUMN logs TEXT;
ALTER TABLE task_history ADD COLUMN progress TEXT;
CREATE INDEX task_history_parent ON task_history (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX task_history_run ON task_history (run_id) WHERE run_id IS NOT NULL;

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
CREATE INDEX task_runs_started_at ON task_runs (started_at);
CREATE INDEX task_runs_entity ON task_runs (run_type, entity_type, entity_id);
CREATE INDEX task_runs_open ON task_runs (term) WHERE status = 0;
