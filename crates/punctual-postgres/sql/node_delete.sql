DELETE FROM nodes WHERE term = $1
