-- Limits above one and shared by key: what was a non-concurrent job's own gate becomes a lane (see punctual-core,
-- lane.rs). Calendars. Runs that were asked to stop.

ALTER TABLE triggers ADD COLUMN lane_id INTEGER;                         -- NULL: runs may overlap freely
ALTER TABLE triggers ADD COLUMN lane_limit INTEGER NOT NULL DEFAULT 1;   -- runs only while fewer are open in the lane
ALTER TABLE triggers ADD COLUMN overlap INTEGER NOT NULL DEFAULT 0;      -- while the lane is full: 0 queue, 1 skip, 2 cancel
UPDATE triggers SET lane_id = job_id, overlap = (SELECT skips_overlap FROM jobs j WHERE j.id = job_id) WHERE exclusive = 1;

DROP INDEX triggers_due;
DROP INDEX triggers_lane;
ALTER TABLE triggers DROP COLUMN exclusive;
CREATE INDEX triggers_due ON triggers (kind_id, next_fire_at, priority_rank)
    WHERE state = 0 AND lane_id IS NULL AND next_fire_at IS NOT NULL;
CREATE INDEX triggers_lane ON triggers (lane_id, lane_limit, kind_id, next_fire_at, priority_rank)
    WHERE state = 0 AND lane_id IS NOT NULL AND next_fire_at IS NOT NULL;
CREATE INDEX triggers_overlap ON triggers (lane_id, overlap, kind_id, next_fire_at, priority_rank)
    WHERE state = 0 AND overlap > 0 AND pending = 0 AND lane_id IS NOT NULL AND next_fire_at IS NOT NULL;
CREATE INDEX triggers_calendar ON triggers (calendar) WHERE calendar IS NOT NULL;

ALTER TABLE jobs DROP COLUMN exclusive;
ALTER TABLE jobs DROP COLUMN skips_overlap;

ALTER TABLE task_history ADD COLUMN lane_id INTEGER;
ALTER TABLE task_history ADD COLUMN cancel TEXT;                         -- why an open fire was asked to stop
UPDATE task_history SET lane_id = job_id
WHERE status = 0 AND job_id IN (SELECT t.job_id FROM triggers t WHERE t.lane_id IS NOT NULL);
CREATE INDEX task_history_lane ON task_history (lane_id) WHERE status = 0 AND lane_id IS NOT NULL;

DROP TABLE gates;
CREATE TABLE gates (
    lane_id       INTEGER NOT NULL,
    kind_id       INTEGER NOT NULL,
    next_fire_at  INTEGER NOT NULL,
    priority_rank INTEGER NOT NULL,
    trigger_id    INTEGER NOT NULL,
    PRIMARY KEY (lane_id, kind_id)
) WITHOUT ROWID;
CREATE INDEX gates_due ON gates (kind_id, next_fire_at, priority_rank);
INSERT INTO gates (lane_id, kind_id, next_fire_at, priority_rank, trigger_id)
SELECT lane_id, kind_id, next_fire_at, priority_rank, id
FROM (SELECT *, row_number() OVER (PARTITION BY lane_id, kind_id ORDER BY next_fire_at, priority_rank) AS place
      FROM triggers
      WHERE state = 0 AND lane_id IS NOT NULL AND next_fire_at IS NOT NULL
        AND lane_id NOT IN (SELECT h.lane_id FROM task_history h WHERE h.status = 0 AND h.lane_id IS NOT NULL))
WHERE place = 1;

CREATE TABLE calendars (
    name       TEXT PRIMARY KEY,
    definition TEXT NOT NULL,    -- JSON
    version    INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX task_history_cancelled ON task_history (term) WHERE status = 0 AND cancel IS NOT NULL;
