"""The parts of the page Rules: the line, the form, the table, and what is done with the marked ones."""
