SELECT name FROM paused_groups ORDER BY name
