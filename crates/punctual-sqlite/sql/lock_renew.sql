UPDATE locks SET lease_until = max(lease_until, ?3) WHERE token = ?1 AND lease_until > ?2
