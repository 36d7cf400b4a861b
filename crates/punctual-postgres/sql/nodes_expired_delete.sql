DELETE FROM nodes WHERE lease_until <= $1
RETURNING name, term, lease_until
