-- ?1 to ?4 and ?11 say which rows of the order by start; of those the first by their durations.
SELECT other, id FROM history_places
WHERE sort = ?1 AND status = ?2 AND series = ?3 AND value BETWEEN ?4 AND ?11 AND (other, id) > (?5, ?6) AND (other, id) < (?7, ?8)
ORDER BY CASE WHEN ?9 THEN -other ELSE other END, CASE WHEN ?9 THEN -id ELSE id END
LIMIT ?10
