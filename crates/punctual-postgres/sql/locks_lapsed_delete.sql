DELETE FROM locks WHERE token IN (SELECT token FROM locks WHERE lease_until <= $1)
