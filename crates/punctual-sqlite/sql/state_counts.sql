SELECT t.state,
       t.state = 0 AND t.lane_id IS NOT NULL AND t.next_fire_at <= ?1
           AND (SELECT count(*) FROM task_history h WHERE h.lane_id = t.lane_id AND h.status = 0) >= t.lane_limit AS held,
       count(*)
FROM triggers t
GROUP BY 1, 2
