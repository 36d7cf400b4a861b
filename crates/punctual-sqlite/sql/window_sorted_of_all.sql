-- ?1 to ?3 and ?10 say which rows of the order by start; of those the first by their durations.
SELECT other, id FROM history_places INDEXED BY history_places_of_all
WHERE sort = ?1 AND status = ?2 AND value BETWEEN ?3 AND ?10 AND (other, id) > (?4, ?5) AND (other, id) < (?6, ?7)
ORDER BY CASE WHEN ?8 THEN -other ELSE other END, CASE WHEN ?8 THEN -id ELSE id END
LIMIT ?9
