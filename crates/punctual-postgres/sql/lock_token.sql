SELECT nextval('lock_tokens')
