-- Passes by at most $8 places.
SELECT value, id
FROM (SELECT value, id, other FROM history_places
      WHERE sort = $1 AND status = $2 AND (value, id) > ($4, $5) AND (value, id) < ($6, $7)
      ORDER BY value, id LIMIT $8) p
WHERE other BETWEEN $3 AND $10
ORDER BY value, id LIMIT $9
