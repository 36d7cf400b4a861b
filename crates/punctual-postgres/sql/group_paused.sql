SELECT 1 FROM paused_groups WHERE name = $1
