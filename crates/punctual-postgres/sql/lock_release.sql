DELETE FROM locks WHERE token = $1
