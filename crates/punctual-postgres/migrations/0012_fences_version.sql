-- Nodes remember fences as long as nobody has changed any; a trigger tells, so that nodes of older versions tell as well.
CREATE TABLE history_fences_version (
    id      smallint PRIMARY KEY CHECK (id = 1),
    version bigint NOT NULL
) WITH (fillfactor = 50);
INSERT INTO history_fences_version (id, version) VALUES (1, 1);

CREATE FUNCTION history_fences_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('UPDATE %I.history_fences_version SET version = version + 1', TG_TABLE_SCHEMA);
    RETURN NULL;
END $$;
CREATE TRIGGER history_fences_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON history_fences
    FOR EACH STATEMENT EXECUTE FUNCTION history_fences_changed();
