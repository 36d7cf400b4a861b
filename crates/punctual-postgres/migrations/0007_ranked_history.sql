-- Lists of ended rows that find any page, and roll-ups: see ranking and insights in punctual-core.

-- What ran. Job and task have one name; work recorded outside of jobs has no group.
CREATE TABLE history_series (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task      text NOT NULL COLLATE "C",
    job_group text NOT NULL COLLATE "C",
    UNIQUE (task, job_group)
);

-- Rows that ended or were deleted and are not yet in the tables below, one row for each transaction.
CREATE TABLE history_noted (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    gone         boolean NOT NULL,
    ids          bigint[] NOT NULL,
    series       bigint[] NOT NULL,
    statuses     smallint[] NOT NULL,
    started_at   bigint[] NOT NULL,
    ended_at     bigint[] NOT NULL,
    durations_ms bigint[] NOT NULL
) WITH (autovacuum_vacuum_cost_delay = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);
ALTER TABLE history_noted ALTER ids SET STORAGE EXTERNAL, ALTER series SET STORAGE EXTERNAL,
    ALTER statuses SET STORAGE EXTERNAL, ALTER started_at SET STORAGE EXTERNAL, ALTER ended_at SET STORAGE EXTERNAL,
    ALTER durations_ms SET STORAGE EXTERNAL;

-- The ended rows in the orders of start (0), end (1) and duration (2), a list for each status and series.
CREATE TABLE history_places (
    series bigint NOT NULL,
    value  bigint NOT NULL,
    id     bigint NOT NULL,
    sort   smallint NOT NULL,
    status smallint NOT NULL
);

-- How many places there are from one fence to the next; series 0 is the list of all series.
CREATE TABLE history_fences (
    series bigint NOT NULL,
    value  bigint NOT NULL,
    id     bigint NOT NULL,
    rows   bigint NOT NULL,
    sort   smallint NOT NULL,
    status smallint NOT NULL,
    PRIMARY KEY (sort, status, series, value, id)
) WITH (fillfactor = 70);

-- Ended runs by the hour (0) and the day (1) of their start, UTC.
CREATE TABLE history_rollups (
    level     smallint NOT NULL,
    series    bigint NOT NULL,
    bucket    bigint NOT NULL,
    success   bigint NOT NULL,
    failed    bigint NOT NULL,
    unknown   bigint NOT NULL,
    total_ms  bigint NOT NULL,
    durations text NOT NULL,              -- CLASS:ROWS, with commas between
    PRIMARY KEY (level, series, bucket)
) WITH (fillfactor = 70);

INSERT INTO history_series (task, job_group)
SELECT DISTINCT task, coalesce(job_group, '') FROM task_history;

INSERT INTO history_places (sort, status, series, value, id)
SELECT o.sort, h.status, s.id,
       CASE o.sort WHEN 0 THEN h.started_at WHEN 1 THEN coalesce(h.ended_at, 9223372036854775807)
                   ELSE coalesce(h.duration_ms, 9223372036854775807) END AS value, h.id
FROM task_history h
JOIN history_series s ON s.task = h.task AND s.job_group = coalesce(h.job_group, '')
CROSS JOIN (SELECT 0 AS sort UNION ALL SELECT 1 UNION ALL SELECT 2) o
WHERE h.status <> 0
ORDER BY 1, 2, 3, 4, 5;
CREATE UNIQUE INDEX history_places_order ON history_places (sort, status, series, value, id);

-- A fence at each 2,048th place of a list, and for series 0 of all series together. The first stands before all places.
INSERT INTO history_fences (sort, status, series, value, id, rows)
SELECT sort, status, series, CASE place WHEN 0 THEN -9223372036854775808 ELSE value END,
       CASE place WHEN 0 THEN -9223372036854775808 ELSE id END, LEAST(2048, rows - place)
FROM (SELECT sort, status, series, value, id,
             row_number() OVER (PARTITION BY sort, status, series ORDER BY value, id) - 1 AS place,
             count(*) OVER (PARTITION BY sort, status, series) AS rows
      FROM history_places) p
WHERE place % 2048 = 0;
INSERT INTO history_fences (sort, status, series, value, id, rows)
SELECT sort, status, 0, CASE place WHEN 0 THEN -9223372036854775808 ELSE value END,
       CASE place WHEN 0 THEN -9223372036854775808 ELSE id END, LEAST(2048, rows - place)
FROM (SELECT sort, status, value, id,
             row_number() OVER (PARTITION BY sort, status ORDER BY value, id) - 1 AS place,
             count(*) OVER (PARTITION BY sort, status) AS rows
      FROM history_places) p
WHERE place % 2048 = 0;

INSERT INTO history_rollups (level, series, bucket, success, failed, unknown, total_ms, durations)
WITH classed AS (
    SELECT l.level, s.id AS series, h.started_at, l.step, h.status, d.d,
        CASE WHEN d.d < 32 THEN d.d
            WHEN d.d < 64 THEN 16 + (d.d >> 1)
            WHEN d.d < 128 THEN 32 + (d.d >> 2)
            WHEN d.d < 256 THEN 48 + (d.d >> 3)
            WHEN d.d < 512 THEN 64 + (d.d >> 4)
            WHEN d.d < 1024 THEN 80 + (d.d >> 5)
            WHEN d.d < 2048 THEN 96 + (d.d >> 6)
            WHEN d.d < 4096 THEN 112 + (d.d >> 7)
            WHEN d.d < 8192 THEN 128 + (d.d >> 8)
            WHEN d.d < 16384 THEN 144 + (d.d >> 9)
            WHEN d.d < 32768 THEN 160 + (d.d >> 10)
            WHEN d.d < 65536 THEN 176 + (d.d >> 11)
            WHEN d.d < 131072 THEN 192 + (d.d >> 12)
            WHEN d.d < 262144 THEN 208 + (d.d >> 13)
            WHEN d.d < 524288 THEN 224 + (d.d >> 14)
            WHEN d.d < 1048576 THEN 240 + (d.d >> 15)
            WHEN d.d < 2097152 THEN 256 + (d.d >> 16)
            WHEN d.d < 4194304 THEN 272 + (d.d >> 17)
            WHEN d.d < 8388608 THEN 288 + (d.d >> 18)
            WHEN d.d < 16777216 THEN 304 + (d.d >> 19)
            WHEN d.d < 33554432 THEN 320 + (d.d >> 20)
            WHEN d.d < 67108864 THEN 336 + (d.d >> 21)
            WHEN d.d < 134217728 THEN 352 + (d.d >> 22)
            WHEN d.d < 268435456 THEN 368 + (d.d >> 23)
            WHEN d.d < 536870912 THEN 384 + (d.d >> 24)
            WHEN d.d < 1073741824 THEN 400 + (d.d >> 25)
            WHEN d.d < 2147483648 THEN 416 + (d.d >> 26)
            WHEN d.d < 4294967296 THEN 432 + (d.d >> 27)
            WHEN d.d < 8589934592 THEN 448 + (d.d >> 28)
            WHEN d.d < 17179869184 THEN 464 + (d.d >> 29)
            WHEN d.d < 34359738368 THEN 480 + (d.d >> 30)
            WHEN d.d < 68719476736 THEN 496 + (d.d >> 31)
            WHEN d.d < 137438953472 THEN 512 + (d.d >> 32)
            WHEN d.d < 274877906944 THEN 528 + (d.d >> 33)
            WHEN d.d < 549755813888 THEN 544 + (d.d >> 34)
            WHEN d.d < 1099511627776 THEN 560 + (d.d >> 35)
            WHEN d.d IS NULL THEN NULL ELSE 591 END AS class
    FROM task_history h
    JOIN history_series s ON s.task = h.task AND s.job_group = coalesce(h.job_group, '')
    CROSS JOIN (SELECT 0 AS level, CAST(3600000 AS BIGINT) AS step UNION ALL SELECT 1, 86400000) l
    CROSS JOIN LATERAL (SELECT CASE WHEN h.duration_ms IS NOT NULL THEN LEAST(GREATEST(h.duration_ms, 0), 1099511627775) END AS d) d
    WHERE h.status <> 0
), counted AS (
    SELECT level, series, started_at - ((started_at % step) + step) % step AS bucket, class, count(*) AS rows, sum(d) AS total_ms,
           count(CASE status WHEN 1 THEN 1 END) AS success, count(CASE status WHEN 2 THEN 1 END) AS failed,
           count(CASE status WHEN 3 THEN 1 END) AS unknown
    FROM classed GROUP BY level, series, bucket, class
)
SELECT level, series, bucket, sum(success), sum(failed), sum(unknown), coalesce(sum(total_ms), 0),
       coalesce(string_agg(CASE WHEN class IS NOT NULL THEN class || ':' || rows END, ','), '')
FROM counted GROUP BY level, series, bucket;
