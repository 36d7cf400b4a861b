-- Passes by at most $9 places.
SELECT value, id
FROM (SELECT value, id, other FROM history_places
      WHERE sort = $1 AND status = $2 AND series = $3 AND (value, id) > ($5, $6) AND (value, id) < ($7, $8)
      ORDER BY value, id LIMIT $9) p
WHERE other BETWEEN $4 AND $11
ORDER BY value, id LIMIT $10
