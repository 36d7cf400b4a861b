-- For each lane and kind the first trigger that may run, or that a full lane makes give up what is due or cancel what
-- runs. While a cancelled run has not ended, nobody cancels another. Each walk goes over pairs (of limit or overlap
-- policy, and kind) and reads the first trigger of each, however many wait.
WITH RECURSIVE lane AS (
    SELECT l.lane_id, r.*
    FROM (SELECT DISTINCT * FROM unnest($1::bigint[])) AS l(lane_id) CROSS JOIN LATERAL (
        SELECT count(*) AS open, count(cancel) AS cancelled FROM running WHERE lane_id = l.lane_id) r
), room AS (
    SELECT lane.lane_id, f.*
    FROM lane CROSS JOIN LATERAL (
        SELECT lane_limit, kind_id, next_fire_at, priority_rank, trigger_id FROM due d
        WHERE d.lane_id = lane.lane_id AND d.lane_limit > lane.open
          AND d.state = 0 AND d.lane_id IS NOT NULL AND d.next_fire_at IS NOT NULL
        ORDER BY lane_limit, kind_id, next_fire_at, priority_rank LIMIT 1) f
    UNION ALL
    SELECT room.lane_id, f.*
    FROM room CROSS JOIN LATERAL (
        SELECT lane_limit, kind_id, next_fire_at, priority_rank, trigger_id FROM due d
        WHERE d.lane_id = room.lane_id AND (d.lane_limit, d.kind_id) > (room.lane_limit, room.kind_id)
          AND d.state = 0 AND d.lane_id IS NOT NULL AND d.next_fire_at IS NOT NULL
        ORDER BY lane_limit, kind_id, next_fire_at, priority_rank LIMIT 1) f
), busy AS (
    SELECT lane.lane_id, lane.cancelled, f.*
    FROM lane CROSS JOIN LATERAL (
        SELECT overlap, kind_id, next_fire_at, priority_rank, trigger_id FROM due d
        WHERE d.lane_id = lane.lane_id AND lane.open > 0
          AND d.state = 0 AND d.overlap > 0 AND NOT d.pending AND d.lane_id IS NOT NULL AND d.next_fire_at IS NOT NULL
        ORDER BY overlap, kind_id, next_fire_at, priority_rank LIMIT 1) f
    UNION ALL
    SELECT busy.lane_id, busy.cancelled, f.*
    FROM busy CROSS JOIN LATERAL (
        SELECT overlap, kind_id, next_fire_at, priority_rank, trigger_id FROM due d
        WHERE d.lane_id = busy.lane_id AND (d.overlap, d.kind_id) > (busy.overlap, busy.kind_id)
          AND d.state = 0 AND d.overlap > 0 AND NOT d.pending AND d.lane_id IS NOT NULL AND d.next_fire_at IS NOT NULL
        ORDER BY overlap, kind_id, next_fire_at, priority_rank LIMIT 1) f
)
INSERT INTO gates (lane_id, kind_id, next_fire_at, priority_rank, trigger_id)
SELECT DISTINCT ON (lane_id, kind_id) lane_id, kind_id, next_fire_at, priority_rank, trigger_id
FROM (SELECT lane_id, kind_id, next_fire_at, priority_rank, trigger_id FROM room
      UNION ALL
      SELECT lane_id, kind_id, next_fire_at, priority_rank, trigger_id FROM busy WHERE overlap = 1 OR cancelled = 0) head
ORDER BY lane_id, kind_id, next_fire_at, priority_rank
