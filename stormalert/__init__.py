"""The vocabulary that every StormAlert process shares: tick, rule, alert, delivery, channel."""
