SELECT count(*) FROM running
