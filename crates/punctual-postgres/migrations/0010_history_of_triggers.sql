-- The runs of a trigger in the order of their start; all that is counted by is in the index.
CREATE INDEX task_history_trigger ON task_history (trigger_group, trigger_name, started_at, id, scheduled_at, status)
    WHERE trigger_name IS NOT NULL;
-- Attempts after the first; the first has its own id as its origin.
CREATE INDEX task_history_origin ON task_history (origin) WHERE origin <> id;
