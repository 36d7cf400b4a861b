DELETE FROM history_rollups WHERE ctid = ANY(ARRAY(
    SELECT r.ctid
    FROM unnest($1::smallint[], $2::bigint[], $3::bigint[]) AS k(level, series, bucket)
    CROSS JOIN LATERAL (
        SELECT ctid FROM history_rollups
        WHERE level = k.level AND series = k.series AND bucket = k.bucket AND success = 0 AND failed = 0 AND unknown = 0
        FOR UPDATE OFFSET 0) r))
