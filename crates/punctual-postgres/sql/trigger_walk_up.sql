-- Passes by at most $9 places, and looks at the trigger of each row.
SELECT p.value, p.id
FROM (SELECT value, id, other FROM history_places
      WHERE sort = $1 AND status = $2 AND series = $3 AND (value, id) > ($5, $6) AND (value, id) < ($7, $8)
      ORDER BY value, id LIMIT $9) p
CROSS JOIN LATERAL (SELECT FROM task_history h
                    WHERE h.id = p.id AND h.trigger_group = $11 AND h.trigger_name = $12 OFFSET 0) h
WHERE p.other BETWEEN $4 AND $13
ORDER BY p.value, p.id LIMIT $10
