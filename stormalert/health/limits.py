"""Every threshold of the health checks, once: the views and deploy/prometheus/alerts.yml go by these.

WAIT: from here on it should be seen to. BAD: from here on something does not work, or is about to be lost. Why these figures:
docs/decisions/0010-health.md.
"""

from stormalert.units import HOUR_MS, MINUTE_MS, SECOND_MS

# The feed

# Kite's login can wait until so long before the market opens.
LOGIN_AHEAD_MS = 3 * HOUR_MS
# Kite sends a frame each second; ingest itself gives a mute socket up after 5 s.
FRAME_SILENT_BAD_MS = 10 * SECOND_MS
FEED_STARTS_BAD_MS = 60 * SECOND_MS
# Gaps of a feed that keeps coming back, taken together; a longer one is a feed that was down, which was told as that.
GAPS_WITHIN_MS = 10 * MINUTE_MS
GAP_SHORT_MS = 90 * SECOND_MS
GAPS_LOST_WAIT_MS = 30 * SECOND_MS
GAPS_MANY_WAIT = 3

# From a tick to its message

TICKS_LATE_BAD_MS = 10 * SECOND_MS
ALERTS_LATE_BAD_MS = 60 * SECOND_MS
DELAY_WAIT_MS, DELAY_BAD_MS = 1 * SECOND_MS, 5 * SECOND_MS
MESSAGES_LATE_BAD_MS = 2 * MINUTE_MS
MESSAGES_MANY_WAIT = 500
# Of a provider's tries within this time at least so many were refused, and as many as were taken or more.
REFUSED_WITHIN_MS = 5 * MINUTE_MS
REFUSED_BAD = 5

# Processes, servers, store

LOOP_LATE_WAIT_MS = 1 * SECOND_MS
# Of Redis, and of Valkey, which began with 7.2.
REDIS_LEAST = (7, 0)
# Of maxmemory; with all of it used nothing is written any more.
MEMORY_WAIT_PERCENT, MEMORY_BAD_PERCENT, MEMORY_FULL_PERCENT = 85, 95, 100
STORE_SLOW_WAIT_MS = 500
# Let's Encrypt's are renewed thirty days before their end: with fewer left the renewal fails.
CERTIFICATE_WAIT_DAYS = 14

# What only the doctor looks at

PYTHON_LEAST = (3, 11)
DISK_WAIT_BYTES, DISK_BAD_BYTES = 2 * 2**30, 200 * 2**20
CLOCK_WAIT_MS, CLOCK_BAD_MS = 1 * SECOND_MS, 5 * SECOND_MS
# A secret of fewer different characters was not made by chance.
SECRET_VARIETY_BAD = 8
