-- Lanes with a due trigger and room for it, and no gate that shows it.
SELECT DISTINCT t.lane_id
FROM triggers t
WHERE t.state = 0 AND t.lane_id IS NOT NULL AND t.next_fire_at <= ?1
  AND (SELECT count(*) FROM task_history h WHERE h.lane_id = t.lane_id AND h.status = 0) < t.lane_limit
  AND NOT EXISTS (SELECT 1 FROM gates g WHERE g.lane_id = t.lane_id AND g.kind_id = t.kind_id AND g.next_fire_at <= t.next_fire_at)
