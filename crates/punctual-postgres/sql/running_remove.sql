DELETE FROM running WHERE id = $1 AND term = $2
