SELECT id FROM running_batches b WHERE NOT EXISTS (SELECT FROM nodes n WHERE n.term = b.term AND n.term <> ALL($1::bigint[]))
