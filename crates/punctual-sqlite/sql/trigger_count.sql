-- The rows of a trigger from one place up to another, by the index alone.
SELECT count(*) FROM task_history INDEXED BY task_history_trigger
WHERE trigger_group = ?1 AND trigger_name = ?2 AND started_at BETWEEN ?3 AND ?5
  AND (started_at, id) >= (?3, ?4) AND (started_at, id) < (?5, ?6)
