UPDATE sequences SET next = next + ?1 WHERE name = 'id'
