#!lua
-- Lets one message go, when all of its limits have room for it, or says when to come again.
--
-- A message counts against a limit from now until one window after it was settled (lua/settle), which is after the provider
-- counted it: so no window of the provider's holds more than the limit, whatever the way there took. Who finds no room gets a
-- turn of its own in the line of the limit that keeps it longest; nobody who comes later is let in before it.
--
-- KEYS     windows...  sorted set of each limit: what counts, by when it stops to; the line lies beside it
-- ARGV     id          of the delivery, by which its turn is known when it comes again
--          place       another one for each try, for lua/settle
--          lease       ms after which a message counts as settled whose worker died
--          urgent      1 for an answer to a person who waits: it goes before all turns
--          limits...   of each limit: how many, in how many ms
-- Returns  wait_ms:int  0 when it may go, else after which to ask again
local id, place, lease_ms, is_urgent = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4] == "1"
local FIRST_LIMIT = 5
-- Marks the score of what is on its way: when it stops to count is not known yet.
local ON_ITS_WAY = 0.5
-- A turn that nobody came for is given up after this.
local GRACE_MS = 30000

local clock = redis.call("TIME")
local now_ms = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function score(key, rank)
  return tonumber(redis.call("ZRANGE", key, rank, rank, "WITHSCORES")[2])
end

local turn_ms, joined, joined_window_ms = now_ms, nil, 0
for i, window in ipairs(KEYS) do
  local most, window_ms = tonumber(ARGV[FIRST_LIMIT + 2 * i - 2]), tonumber(ARGV[FIRST_LIMIT + 2 * i - 1])
  local line = window:gsub(":window:", ":line:", 1)
  redis.call("ZREMRANGEBYSCORE", window, "-inf", now_ms)
  redis.call("ZREMRANGEBYSCORE", line, "-inf", now_ms - GRACE_MS)
  local mine = is_urgent and now_ms or tonumber(redis.call("ZSCORE", line, id))
  local counted, free_ms = redis.call("ZCARD", window), now_ms
  if counted >= most then
    free_ms = score(window, counted - most)
    -- What is on its way stops to count a whole window after now at the earliest.
    if free_ms % 1 ~= 0 then free_ms = now_ms + window_ms end
  end
  local at_ms, joins = free_ms, nil
  if mine then
    at_ms = math.max(mine, free_ms)
  else
    local last_ms = score(line, -1)
    if last_ms then at_ms = math.max(free_ms, last_ms + math.ceil(window_ms / most)) end
    joins = line
  end
  if at_ms > turn_ms then turn_ms, joined, joined_window_ms = at_ms, joins, window_ms end
end

if turn_ms > now_ms then
  if joined then
    redis.call("ZADD", joined, turn_ms, id)
    redis.call("PEXPIRE", joined, turn_ms - now_ms + GRACE_MS + joined_window_ms)
  end
  return turn_ms - now_ms
end

for i, window in ipairs(KEYS) do
  local window_ms = tonumber(ARGV[FIRST_LIMIT + 2 * i - 1])
  redis.call("ZADD", window, now_ms + lease_ms + window_ms + ON_ITS_WAY, place)
  redis.call("PEXPIRE", window, lease_ms + window_ms)
  redis.call("ZREM", window:gsub(":window:", ":line:", 1), id)
end
return 0
