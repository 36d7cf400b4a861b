-- Runs and events that applications ask for inside their own transactions: inserted there without any lock, and carried out
-- by a node after the commit. Rows of one transaction are taken in the order of their numbers.
CREATE TABLE run_requests (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request    text NOT NULL,             -- JSON
    data       text NOT NULL,             -- JSON object
    written_at bigint NOT NULL
) WITH (autovacuum_vacuum_cost_delay = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);
