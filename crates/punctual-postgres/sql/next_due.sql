SELECT min(at) FROM (
    SELECT f.at FROM unnest($1::bigint[]) AS k(kind_id) CROSS JOIN LATERAL (
        SELECT d.next_fire_at AS at FROM due d
        WHERE d.kind_id = k.kind_id AND d.state = 0 AND d.lane_id IS NULL AND d.next_fire_at IS NOT NULL
        ORDER BY d.next_fire_at LIMIT 1) f
    UNION ALL
    SELECT f.at FROM unnest($1::bigint[]) AS k(kind_id) CROSS JOIN LATERAL (
        SELECT g.next_fire_at AS at FROM gates g WHERE g.kind_id = k.kind_id ORDER BY g.next_fire_at LIMIT 1) f
) heads
