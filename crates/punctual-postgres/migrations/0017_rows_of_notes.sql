-- How many rows a transaction noted, so that nobody has to fetch the arrays to count them.
ALTER TABLE history_noted ADD COLUMN rows bigint NOT NULL GENERATED ALWAYS AS (cardinality(ids)) STORED;
