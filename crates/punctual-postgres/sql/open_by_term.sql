SELECT term, count(*) FROM running_all GROUP BY term ORDER BY term
