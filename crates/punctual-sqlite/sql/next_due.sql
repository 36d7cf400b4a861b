SELECT min(at) FROM (
    SELECT at FROM (SELECT next_fire_at AS at FROM triggers
        WHERE kind_id = ?1 AND state = 0 AND lane_id IS NULL AND next_fire_at IS NOT NULL
        ORDER BY next_fire_at LIMIT 1)
    UNION ALL
    SELECT at FROM (SELECT next_fire_at AS at FROM gates WHERE kind_id = ?1 ORDER BY next_fire_at LIMIT 1)
)
