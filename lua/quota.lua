#!lua
-- Counts an alert against what its user is sent one by one, unless there were too many in the last seconds or hour.
--
-- KEYS     window   sorted set of the user's alerts that were let through, by when they fired
--          recent   sorted set of all of the user's alerts of the last seconds, by when they fired
-- ARGV     alert    its id: asked again, the answer is the same
--          fired    epoch ms
--          most     alerts let through in any window
--          length   of the window in ms
--          burst    alerts at most in any burst length
--          burst_length  in ms
-- Returns  answer:int  1 when it is let through, 0 when it is one too many in the window, 2 when it is one too many at once
local window, recent = KEYS[1], KEYS[2]
local alert, fired_ms, most, length_ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local burst, burst_length_ms = tonumber(ARGV[5]), tonumber(ARGV[6])

if redis.call("ZSCORE", window, alert) then return 1 end
redis.call("ZREMRANGEBYSCORE", recent, "-inf", fired_ms - burst_length_ms)
redis.call("ZADD", recent, fired_ms, alert)
redis.call("PEXPIRE", recent, burst_length_ms)
if redis.call("ZCARD", recent) > burst then return 2 end
redis.call("ZREMRANGEBYSCORE", window, "-inf", fired_ms - length_ms)
if redis.call("ZCARD", window) >= most then return 0 end
redis.call("ZADD", window, fired_ms, alert)
redis.call("PEXPIRE", window, length_ms)
return 1
