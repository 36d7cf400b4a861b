SELECT r.success, r.failed, r.unknown, r.total_ms, r.durations, r.bucket, r.series, r.level
FROM unnest($1::smallint[], $2::bigint[], $3::bigint[]) AS k(level, series, bucket)
CROSS JOIN LATERAL (SELECT * FROM history_rollups WHERE level = k.level AND series = k.series AND bucket = k.bucket OFFSET 0) r
