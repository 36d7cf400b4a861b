-- ?2 = 1: only schedules, because a fire is open and the job's overlap policy gives them up.
INSERT INTO gates (job_id, kind_id, next_fire_at, priority_rank, trigger_id)
SELECT job_id, kind_id, next_fire_at, priority_rank, id
FROM triggers
WHERE job_id = ?1 AND state = 0 AND exclusive = 1 AND next_fire_at IS NOT NULL AND (?2 = 0 OR pending = 0)
ORDER BY next_fire_at, priority_rank
LIMIT 1
