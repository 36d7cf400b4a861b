-- Never waits: a row that is locked is being ended, and its end brings the last value.
WITH given AS (
    SELECT id, progress FROM unnest($2::bigint[], $3::text[]) AS given(id, progress)
), fires AS (
    UPDATE running r SET progress = given.progress FROM given
    WHERE r.id BETWEEN given.id AND given.id
      AND given.id = ANY(ARRAY(SELECT id FROM running WHERE id = ANY($2::bigint[]) AND term = $1 FOR UPDATE SKIP LOCKED))
)
UPDATE task_history h SET progress = given.progress FROM given
WHERE h.id BETWEEN given.id AND given.id
  AND given.id = ANY(ARRAY(SELECT id FROM task_history WHERE id = ANY($2::bigint[]) AND term = $1 AND status = 0 FOR UPDATE SKIP LOCKED))
