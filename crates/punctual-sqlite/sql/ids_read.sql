SELECT next FROM sequences WHERE name = 'id'
