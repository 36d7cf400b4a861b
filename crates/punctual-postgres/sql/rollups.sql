SELECT success, failed, unknown, total_ms, durations, bucket, r.series, level
FROM unnest($2::bigint[]) AS s(series)
JOIN history_rollups r ON r.level = $1 AND r.series = s.series AND r.bucket >= $3 AND r.bucket < $4
