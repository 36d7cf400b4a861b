SELECT value, id, series, status, rows FROM history_trigger_fences WHERE trigger = $1 ORDER BY value, id
