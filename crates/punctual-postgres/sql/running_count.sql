SELECT count(*) FROM running_all
