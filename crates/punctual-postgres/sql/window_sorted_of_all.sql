-- $1 to $3 and $10 say which rows of the order by start; of those the first by their durations. The inner limit is none: with the order it
-- leaves the server no other way than through the index.
SELECT other, id
FROM (SELECT other, id FROM history_places
      WHERE sort = $1 AND status = $2 AND value BETWEEN $3 AND $10
      ORDER BY value, id LIMIT 9223372036854775807) p
WHERE (other, id) > ($4, $5) AND (other, id) < ($6, $7)
ORDER BY CASE WHEN $8::boolean THEN -other ELSE other END, CASE WHEN $8::boolean THEN -id ELSE id END
LIMIT $9
