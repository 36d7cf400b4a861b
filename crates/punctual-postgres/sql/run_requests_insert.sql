INSERT INTO run_requests (request, data, written_at)
SELECT request, data, $3 FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS r(request, data, place) ORDER BY place
