SELECT coalesce(d.state, 2::smallint),
       coalesce(d.state = 0 AND d.lane_id IS NOT NULL AND d.next_fire_at <= $1
           AND (SELECT count(*) FROM running r WHERE r.lane_id = d.lane_id) >= d.lane_limit, false) AS held,
       count(*)
FROM triggers t LEFT JOIN due d ON d.trigger_id = t.id
GROUP BY 1, 2
