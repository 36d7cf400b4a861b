UPDATE running SET cancel = coalesce(cancel, $2) WHERE id = $1 RETURNING lane_id
