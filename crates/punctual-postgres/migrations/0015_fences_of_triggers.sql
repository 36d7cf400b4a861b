-- How many rows triggers with many rows have: see ranking::triggers in punctual-core. What lies before the place
-- (upto_value, upto_id) of the order by start is counted.
-- Only the history is arranged under this lock: nobody else waits for it.
LOCK TABLE history_fences IN SHARE ROW EXCLUSIVE MODE;

CREATE TABLE history_triggers (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    upto_value    bigint NOT NULL,
    upto_id       bigint NOT NULL,
    trigger_group text NOT NULL,
    trigger_name  text NOT NULL,
    UNIQUE (trigger_group, trigger_name)
);

CREATE TABLE history_trigger_fences (
    trigger bigint NOT NULL,
    value   bigint NOT NULL,
    id      bigint NOT NULL,
    series  bigint NOT NULL,
    rows    bigint NOT NULL,
    status  smallint NOT NULL,
    PRIMARY KEY (trigger, value, id, series, status)
) WITH (fillfactor = 70);

-- The fences are built as soon as the history is arranged.
INSERT INTO history_triggers (trigger_group, trigger_name, upto_value, upto_id)
SELECT trigger_group, trigger_name, -9223372036854775808, -9223372036854775808
FROM task_history WHERE trigger_name IS NOT NULL
GROUP BY trigger_group, trigger_name HAVING count(*) > 2048;

-- The triggers of deleted rows, empty where there is none; nodes of older versions do not write them.
ALTER TABLE history_noted ADD COLUMN trigger_groups text[], ADD COLUMN trigger_names text[];
-- What is gone is not in the index that the fences are built from.
UPDATE history_noted SET trigger_groups = array_fill(''::text, ARRAY[cardinality(ids)]),
    trigger_names = array_fill(''::text, ARRAY[cardinality(ids)])
WHERE gone AND cardinality(ids) > 0;

-- A node of an older version does not count what it arranges: all is built anew then.
CREATE FUNCTION history_triggers_forget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(current_setting('punctual.arranger', true), '') <> 'triggers' THEN
        EXECUTE format('DELETE FROM %I.history_trigger_fences', TG_TABLE_SCHEMA);
        EXECUTE format('UPDATE %I.history_triggers SET upto_value = -9223372036854775808, upto_id = -9223372036854775808',
            TG_TABLE_SCHEMA);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER history_triggers_forget AFTER DELETE OR TRUNCATE ON history_noted
    FOR EACH STATEMENT EXECUTE FUNCTION history_triggers_forget();
