-- Which event a trigger waits for, so that emitting one finds its triggers.
ALTER TABLE triggers ADD COLUMN event text;
CREATE INDEX triggers_event ON triggers (event) WHERE event IS NOT NULL;
