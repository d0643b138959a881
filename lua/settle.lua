#!lua
-- Notes that a message that was let go (lua/permit) has its provider's answer: it counts for one window more.
--
-- KEYS     windows...  sorted set of each limit
-- ARGV     place       that it was let go with
--          lengths...  of each limit's window in ms, or of the pause that the provider asked for
-- Returns  settled:int  1
local place = ARGV[1]

local clock = redis.call("TIME")
-- The millisecond that has begun counts whole.
local now_ms = clock[1] * 1000 + math.floor(clock[2] / 1000) + 1

for i, window in ipairs(KEYS) do
  local length_ms = tonumber(ARGV[i + 1])
  redis.call("ZADD", window, "XX", now_ms + length_ms, place)
  if redis.call("PTTL", window) < length_ms then redis.call("PEXPIRE", window, length_ms) end
end
return 1
