DELETE FROM history_trigger_fences WHERE trigger = $1 AND value = $2 AND id = $3
