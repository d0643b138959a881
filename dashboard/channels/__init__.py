"""A user's ways to be told: the parts of the page Channels, and what providers and readers send back."""
