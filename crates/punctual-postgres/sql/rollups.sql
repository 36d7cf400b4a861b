SELECT success, failed, unknown, total_ms, durations, bucket, r.series, level
FROM unnest($2::bigint[]) AS s(series)
CROSS JOIN LATERAL (
    SELECT * FROM history_rollups WHERE level = $1 AND series = s.series AND bucket >= $3 AND bucket < $4 OFFSET 0) r
