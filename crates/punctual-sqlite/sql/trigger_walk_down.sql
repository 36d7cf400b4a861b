-- Passes by at most ?9 places, and looks at the trigger of each row.
SELECT p.value, p.id
FROM (SELECT value, id, other FROM history_places
      WHERE sort = ?1 AND status = ?2 AND series = ?3 AND (value, id) > (?5, ?6) AND (value, id) < (?7, ?8)
      ORDER BY value DESC, id DESC LIMIT ?9) p
CROSS JOIN task_history h ON h.id = p.id
WHERE p.other BETWEEN ?4 AND ?13 AND h.trigger_group = ?11 AND h.trigger_name = ?12
LIMIT ?10
