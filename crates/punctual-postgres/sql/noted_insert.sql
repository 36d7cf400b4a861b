INSERT INTO history_noted (gone, ids, series, statuses, started_at, ended_at, durations_ms, trigger_groups, trigger_names)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
