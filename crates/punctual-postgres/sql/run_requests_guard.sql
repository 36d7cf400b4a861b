SELECT pg_try_advisory_xact_lock(1886745186, hashtext(current_schema()))
