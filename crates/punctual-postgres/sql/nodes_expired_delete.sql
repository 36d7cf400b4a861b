DELETE FROM nodes WHERE lease_until <= $1
