SELECT EXISTS (SELECT FROM nodes WHERE lease_until <= $1) OR EXISTS (
    SELECT FROM running r WHERE NOT EXISTS (SELECT FROM nodes n WHERE n.term = r.term AND n.lease_until > $1))
