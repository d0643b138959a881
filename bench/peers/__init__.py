"""Other ways to do what the engine does, for comparison. They import nothing of the product."""
