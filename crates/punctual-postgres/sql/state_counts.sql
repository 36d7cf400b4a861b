-- Waiting, blocked, paused, complete, in error. A trigger whose single instant was claimed has no row in due.
SELECT count(*) FILTER (WHERE state = 0 AND NOT held), count(*) FILTER (WHERE state = 0 AND held), count(*) FILTER (WHERE state = 1),
       (SELECT count(*) FROM triggers) - count(*) FILTER (WHERE state <> 2), count(*) FILTER (WHERE state = 3)
FROM (
    SELECT d.state,
           coalesce(d.lane_id IS NOT NULL AND d.next_fire_at <= $1
               AND (SELECT count(*) FROM running r WHERE r.lane_id = d.lane_id) >= d.lane_limit, false) AS held
    FROM due d OFFSET 0) f
