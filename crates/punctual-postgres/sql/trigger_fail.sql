WITH told AS (UPDATE triggers SET error = $2 WHERE id = $1)
UPDATE due SET state = 3, version = version + 1 WHERE trigger_id = $1
