UPDATE triggers SET anchor = $2, rebased = $3, accounted_from = $4 WHERE id = $1
