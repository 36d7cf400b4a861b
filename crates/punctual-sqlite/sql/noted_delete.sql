DELETE FROM history_noted WHERE id <= ?1
