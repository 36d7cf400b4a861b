SELECT id, cancel FROM running WHERE term = $1 AND cancel IS NOT NULL
