-- Rows that ended before they started, by a clock that was set back: all others end in the order by end after the
-- beginning of every window that they started in.
CREATE INDEX task_history_moved_clock ON task_history (started_at) WHERE ended_at < started_at;
