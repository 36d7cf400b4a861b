-- How many rows triggers with many rows have: see ranking::triggers in punctual-core. What lies before the place
-- (upto_value, upto_id) of the order by start is counted.
CREATE TABLE history_triggers (
    id            INTEGER PRIMARY KEY,
    trigger_group TEXT NOT NULL,
    trigger_name  TEXT NOT NULL,
    upto_value    INTEGER NOT NULL,
    upto_id       INTEGER NOT NULL,
    UNIQUE (trigger_group, trigger_name)
);

CREATE TABLE history_trigger_fences (
    trigger INTEGER NOT NULL,
    value   INTEGER NOT NULL,
    id      INTEGER NOT NULL,
    series  INTEGER NOT NULL,
    status  INTEGER NOT NULL,
    rows    INTEGER NOT NULL,
    PRIMARY KEY (trigger, value, id, series, status)
) WITHOUT ROWID;

-- The fences are built as soon as the history is arranged.
INSERT INTO history_triggers (trigger_group, trigger_name, upto_value, upto_id)
SELECT trigger_group, trigger_name, -9223372036854775808, -9223372036854775808
FROM task_history WHERE trigger_name IS NOT NULL
GROUP BY trigger_group, trigger_name HAVING count(*) > 2048;
