-- Lanes with a due trigger and room for it, and no gate that shows it.
SELECT DISTINCT d.lane_id
FROM due d
WHERE d.state = 0 AND d.lane_id IS NOT NULL AND d.next_fire_at <= $1
  AND (SELECT count(*) FROM running r WHERE r.lane_id = d.lane_id) < d.lane_limit
  AND NOT EXISTS (SELECT FROM gates g WHERE g.lane_id = d.lane_id AND g.kind_id = d.kind_id AND g.next_fire_at <= d.next_fire_at)
