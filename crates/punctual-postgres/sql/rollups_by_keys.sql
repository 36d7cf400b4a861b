SELECT r.success, r.failed, r.unknown, r.total_ms, r.durations, r.bucket, r.series, r.level
FROM unnest($1::smallint[], $2::bigint[], $3::bigint[]) AS k(level, series, bucket)
JOIN history_rollups r ON r.level = k.level AND r.series = k.series AND r.bucket = k.bucket
