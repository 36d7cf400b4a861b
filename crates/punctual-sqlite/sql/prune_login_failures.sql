DELETE FROM login_failures WHERE forget_at <= ?1
