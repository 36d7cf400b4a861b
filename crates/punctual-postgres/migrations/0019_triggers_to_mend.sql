-- What the invariant scanner looks for at the start of each node and now and then: triggers in error, and triggers that wait
-- for the end of a run. There are few, and they were looked for among all.
CREATE INDEX due_to_mend ON due (state) WHERE state = 3 OR (next_fire_at IS NULL AND state IN (0, 1));
