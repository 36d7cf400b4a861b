-- What the invariant scanner looks for at the start and now and then: triggers in error, and triggers that wait for the end of
-- a run. There are few, and they were looked for among all.
CREATE INDEX triggers_in_error ON triggers (id) WHERE state = 3;
CREATE INDEX triggers_without_next ON triggers (id) WHERE next_fire_at IS NULL AND state IN (0, 1);
