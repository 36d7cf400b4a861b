INSERT INTO history_rollups (level, series, bucket, success, failed, unknown, total_ms, durations)
SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[])
ON CONFLICT (level, series, bucket) DO UPDATE SET success = excluded.success, failed = excluded.failed,
    unknown = excluded.unknown, total_ms = excluded.total_ms, durations = excluded.durations
