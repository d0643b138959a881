"""The page Settings: what is watched, and one's account."""
