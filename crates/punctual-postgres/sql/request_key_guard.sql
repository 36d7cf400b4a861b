SELECT pg_advisory_xact_lock(1886745188, hashtext(current_schema() || $1))
