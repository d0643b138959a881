"""The vocabulary that every StormAlert process shares: tick, rule, alert, delivery, channel."""

# The same as in pyproject.toml; a test holds them together.
VERSION = "0.1.0"
