UPDATE task_history h
SET status = d.status, ended_at = d.ended_at, duration_ms = d.duration_ms, details = d.details, logs = d.logs,
    progress = coalesce(d.progress, h.progress)
FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::text[])
    AS d(id, term, status, ended_at, duration_ms, details, logs, progress)
WHERE h.id BETWEEN d.id AND d.id AND h.term = d.term AND h.status = 0
RETURNING h.id, h.task, coalesce(h.job_group, ''), h.status, h.started_at, h.ended_at, h.duration_ms, h.term
