DELETE FROM locks WHERE lease_until <= $1
