#!lua
-- Counts an alert against its user's hour, unless the hour is full.
--
-- KEYS     window   sorted set of the user's alerts that were let through, by when they fired
-- ARGV     alert    its id: asked again, the answer is the same
--          fired    epoch ms
--          most     alerts in any window
--          length   of the window in ms
-- Returns  1 when it is one of them, 0 when it is one too many
local window = KEYS[1]
local alert, fired_ms, most, length_ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

if redis.call("ZSCORE", window, alert) then return 1 end
redis.call("ZREMRANGEBYSCORE", window, "-inf", fired_ms - length_ms)
if redis.call("ZCARD", window) >= most then return 0 end
redis.call("ZADD", window, fired_ms, alert)
redis.call("PEXPIRE", window, length_ms)
return 1
