SELECT coalesce(sum(rows), 0) FROM history_noted
