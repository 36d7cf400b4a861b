SELECT gone, ids, series, statuses, started_at, ended_at, durations_ms, id, trigger_groups, trigger_names FROM history_noted ORDER BY id
