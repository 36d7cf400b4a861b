-- Passes by at most ?8 places.
SELECT value, id
FROM (SELECT value, id, other FROM history_places INDEXED BY history_places_of_all
      WHERE sort = ?1 AND status = ?2 AND (value, id) > (?4, ?5) AND (value, id) < (?6, ?7)
      ORDER BY value DESC, id DESC LIMIT ?8)
WHERE other BETWEEN ?3 AND ?10
LIMIT ?9
