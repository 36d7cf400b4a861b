SELECT k.name, sum(d.triggers)::bigint, min(d.since)
FROM kinds k JOIN (
    SELECT kind_id, count(*) AS triggers, min(next_fire_at) AS since FROM due
    WHERE state = 0 AND lane_id IS NULL AND next_fire_at <= $1 GROUP BY kind_id
    UNION ALL
    SELECT kind_id, count(*), min(next_fire_at) FROM gates WHERE next_fire_at <= $1 GROUP BY kind_id) d ON d.kind_id = k.id
GROUP BY k.name
ORDER BY k.name COLLATE "C"
