-- How well each node knows the time, as it measured it.
ALTER TABLE nodes ADD COLUMN clock_offset_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE nodes ADD COLUMN clock_uncertainty_ms INTEGER NOT NULL DEFAULT 0;
