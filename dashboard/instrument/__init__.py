"""The page of one instrument."""
