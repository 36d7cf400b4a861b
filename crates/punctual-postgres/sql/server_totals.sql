SELECT xact_commit, (pg_current_wal_insert_lsn() - '0/0')::bigint
FROM pg_stat_database WHERE datname = current_database()
