DELETE FROM paused_groups WHERE name = $1
