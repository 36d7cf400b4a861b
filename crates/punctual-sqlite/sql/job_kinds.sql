SELECT name FROM kinds k WHERE EXISTS (SELECT 1 FROM jobs j WHERE j.kind_id = k.id) ORDER BY name
