-- How many runs a node has slots for, as it says with its heartbeats; NULL for a node of an older version.
ALTER TABLE nodes ADD COLUMN slots bigint;
