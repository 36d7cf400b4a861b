-- Each place also has the other time that a window asks for, and all tasks together are read from an index of their own.
CREATE TABLE history_places_filled (
    sort   INTEGER NOT NULL,
    status INTEGER NOT NULL,
    series INTEGER NOT NULL,
    value  INTEGER NOT NULL,
    id     INTEGER NOT NULL,
    other  INTEGER NOT NULL,     -- the duration in the order by start, otherwise the start
    PRIMARY KEY (sort, status, series, value, id)
) WITHOUT ROWID;

INSERT INTO history_places_filled (sort, status, series, value, id, other)
SELECT p.sort, p.status, p.series, p.value, p.id,
       coalesce(CASE p.sort WHEN 0 THEN h.duration_ms ELSE h.started_at END, 9223372036854775807)
FROM history_places p LEFT JOIN task_history h ON h.id = p.id
ORDER BY p.sort, p.status, p.series, p.value, p.id;

DROP TABLE history_places;
ALTER TABLE history_places_filled RENAME TO history_places;
CREATE INDEX history_places_of_all ON history_places (sort, status, value, id, other);
