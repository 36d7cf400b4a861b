-- Each place also has the other time that a window asks for, and all tasks together are read from an index of their own.
-- What answers while this runs may miss rows of a page once; nothing is lost.
LOCK TABLE history_fences, history_places IN ACCESS EXCLUSIVE MODE;

CREATE TABLE history_places_filled AS
SELECT p.sort, p.status, p.series, p.value, p.id,
       coalesce(CASE p.sort WHEN 0 THEN h.duration_ms ELSE h.started_at END, 9223372036854775807) AS other
FROM history_places p LEFT JOIN task_history h ON h.id = p.id;

TRUNCATE history_places;
DROP INDEX history_places_order;
ALTER TABLE history_places
    ADD COLUMN other bigint NOT NULL,     -- the duration in the order by start, otherwise the start
    SET (autovacuum_vacuum_insert_scale_factor = 0.01, autovacuum_vacuum_insert_threshold = 10000);
INSERT INTO history_places (sort, status, series, value, id, other)
SELECT sort, status, series, value, id, other FROM history_places_filled ORDER BY sort, status, value, id;
DROP TABLE history_places_filled;
CREATE UNIQUE INDEX history_places_order ON history_places (sort, status, series, value, id) INCLUDE (other);
CREATE INDEX history_places_of_all ON history_places (sort, status, value, id) INCLUDE (other);

-- Nodes of older versions do not say it.
CREATE FUNCTION history_places_other() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SELECT CASE $1 WHEN 0 THEN duration_ms ELSE started_at END FROM %I.task_history WHERE id = $2', TG_TABLE_SCHEMA)
        INTO NEW.other USING NEW.sort, NEW.id;
    NEW.other := coalesce(NEW.other, 9223372036854775807);
    RETURN NEW;
END $$;
CREATE TRIGGER history_places_other BEFORE INSERT ON history_places
    FOR EACH ROW WHEN (NEW.other IS NULL) EXECUTE FUNCTION history_places_other();
