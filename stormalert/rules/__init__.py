"""What a rule can say, in a line and in a table, and how the engine takes it."""
