UPDATE request_keys SET answer = $3 WHERE key = $1 AND request = $2 AND answer IS NULL
