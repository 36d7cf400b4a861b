DELETE FROM history_rollups r
USING unnest($1::smallint[], $2::bigint[], $3::bigint[]) AS k(level, series, bucket)
WHERE r.level = k.level AND r.series = k.series AND r.bucket = k.bucket AND r.success = 0 AND r.failed = 0 AND r.unknown = 0
