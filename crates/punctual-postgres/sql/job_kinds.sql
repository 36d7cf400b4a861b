SELECT name FROM kinds k WHERE EXISTS (SELECT FROM jobs j WHERE j.kind_id = k.id) ORDER BY name COLLATE "C"
