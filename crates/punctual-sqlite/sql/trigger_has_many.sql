-- Whether a trigger has more than ?3 rows.
SELECT count(*) > ?3 FROM (
    SELECT 1 FROM task_history INDEXED BY task_history_trigger
    WHERE trigger_group = ?1 AND trigger_name = ?2
    LIMIT ?3 + 1)
