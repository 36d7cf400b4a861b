SELECT gone, ids, series, statuses, started_at, ended_at, durations_ms, id FROM history_noted ORDER BY id
