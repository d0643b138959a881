#!lua
-- Lets one message go, when all of its limits have room for it, or says when to come again.
--
-- A message counts against a limit from now until one window after it was settled (lua/settle), which is after the provider
-- counted it: so no window of the provider's holds more than the limit, whatever the way there took. Who finds no room gets a
-- turn of its own in the line of the limit that keeps it longest. Each priority has a line: nobody who comes later is let in
-- before those in line of its own priority and of those that go first, and what goes after it keeps nobody waiting.
--
-- KEYS     windows...  sorted set of each limit: what counts, by when it stops to; the lines lie beside it
-- ARGV     id          of the message, by which its turn is known when it comes again
--          place       another one for each try, for lua/settle
--          lease       ms after which a message counts as settled whose sender died
--          priority    0 goes first
--          limits...   of each limit: how many, in how many ms
-- Returns  wait_ms:int  0 when it may go, else after which to ask again
local id, place, lease_ms, priority = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local FIRST_LIMIT = 5
-- Marks the score of what is on its way: when it stops to count is not known yet.
local ON_ITS_WAY = 0.5
-- A turn that nobody came for is given up after this.
local GRACE_MS = 30000
-- And keeps a place from lower priorities for so long: who waits comes at its turn, give or take its way here.
local KEPT_MS = 2000

local clock = redis.call("TIME")
local now_ms = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function score(key, rank)
  return tonumber(redis.call("ZRANGE", key, rank, rank, "WITHSCORES")[2])
end

local function line_of(window, level)
  return window:gsub(":window:", ":line:", 1) .. ":" .. level
end

-- The last turn in the lines that go before who comes now, and how many turns of higher priorities are due.
local function ahead_of(window)
  local last_ms, due = nil, 0
  for level = 0, priority do
    local line = line_of(window, level)
    redis.call("ZREMRANGEBYSCORE", line, "-inf", now_ms - GRACE_MS)
    local turn_ms = score(line, -1)
    if turn_ms and turn_ms > (last_ms or 0) then last_ms = turn_ms end
    if level < priority then due = due + redis.call("ZCOUNT", line, now_ms - KEPT_MS, now_ms) end
  end
  return last_ms, due
end

local turn_ms, joined, joined_window_ms = now_ms, nil, 0
for i, window in ipairs(KEYS) do
  local most, window_ms = tonumber(ARGV[FIRST_LIMIT + 2 * i - 2]), tonumber(ARGV[FIRST_LIMIT + 2 * i - 1])
  local line, step_ms = line_of(window, priority), math.ceil(window_ms / most)
  redis.call("ZREMRANGEBYSCORE", window, "-inf", now_ms)
  local mine = tonumber(redis.call("ZSCORE", line, id))
  local last_ms, due = ahead_of(window)
  local counted, free_ms = redis.call("ZCARD", window), now_ms
  if counted >= most then
    free_ms = score(window, counted - most)
    -- What is on its way stops to count a whole window after now at the earliest.
    if free_ms % 1 ~= 0 then free_ms = now_ms + window_ms end
  elseif due > 0 and counted + due >= most and (mine or now_ms) <= now_ms then
    -- What room there is belongs to those who come at once: its turn is another one, behind theirs.
    mine, free_ms = nil, now_ms + step_ms
  end
  local at_ms, joins = free_ms, nil
  if mine then
    at_ms = math.max(mine, free_ms)
  else
    if last_ms then at_ms = math.max(free_ms, last_ms + step_ms) end
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
  redis.call("ZREM", line_of(window, priority), id)
end
return 0
