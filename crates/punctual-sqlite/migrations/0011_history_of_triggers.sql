-- The runs of a trigger in the order of their start, without reading the rows themselves. The status is left out: it
-- changes when a run ends, and the index would be written twice for each run.
CREATE INDEX task_history_trigger ON task_history (trigger_group, trigger_name, started_at, scheduled_at)
    WHERE trigger_name IS NOT NULL;
-- Attempts after the first; the first has its own id as its origin.
CREATE INDEX task_history_origin ON task_history (origin) WHERE origin <> id;
