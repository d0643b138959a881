#!lua
-- Takes the next unread ticks of one shard, fires the rules they trigger and appends the alerts: one atomic step.
--
-- KEYS     ticks     stream of the shard, read as group `evaluator`
--          alerts    stream of the shard
--          counters  hash: malformed entries, and what the last one was
-- ARGV     count     most entries to take, at most 2,000
--          hold      ms of the server's time, above 0, after which no further entry is taken
--          burst     most rules that are fired, or armed again, at once; what one tick does beyond it is left to the next call
-- Returns  taken:int    entries
--          alerts:int   that were appended
--          cursor:text  id up to which the group has read
--          begun:int    1 when an entry was begun and not finished
--          held_us:int  of the server's time, -1 where the server shows no clock
--
-- An instrument is read and written once a batch. Redis does not roll a failing script back, so the step can be repeated:
-- entries are checked before use, and the shard's cursor moves in the one command that writes the instruments' states. The
-- group follows it, for those who ask the server how far the evaluators are.
local instrument = require("lib.instrument")
local history = require("lib.history")
local kinds = require("lib.kinds")
local moves = require("lib.moves")
local number = require("lib.number")
local rules = require("lib.rules")

local ticks, alerts, counters = KEYS[1], KEYS[2], KEYS[3]
local count, hold_ms, burst = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

local GROUP = "evaluator"
local ALERTS_MAX = 1000000
-- A full look at least this often drops expired history and refreshes what redis-cli shows.
local REFRESH_MS = 300000
-- The clock is read once in so many ticks, and after each full look.
local CLOCK_EVERY = 16
-- Beyond it milliseconds would no longer be exact; it is the year 10889.
local TIME_MAX_MS = 281474976710656
-- Servers before Redis 7.4 and Valkey 8 show a script no running clock: there the pump finds its batch size alone.
local os_library = rawget(_G, "os")
local clock_s = os_library and os_library.clock or function() return 0 end
local prefix = ticks:match("^(.*:)ticks$")
local cursor_key = prefix .. "cursor"
local call, threshold_e4 = redis.call, number.threshold_e4
local push = history.push
local min, max, HUGE = math.min, math.max, math.huge
local DONE, ARMING, FIRING = 0, 1, 2

-- The group's place in the stream, made at the beginning where it is missing: {last id, entries read}.
local function cursor_of_group()
  for _, group in ipairs(call("XINFO", "GROUPS", ticks)) do
    if group[2] == GROUP then return group[8], group[10] end
  end
  local stream = call("XINFO", "STREAM", ticks)
  local added
  for i = 1, #stream, 2 do
    if stream[i] == "entries-added" then added = stream[i + 1] end
  end
  local read = added - call("XLEN", ticks)
  call("XGROUP", "CREATE", ticks, GROUP, "0-0", "ENTRIESREAD", read)
  return "0-0", read
end

local function is_token(text)
  return text:find("^[1-9]%d*$") and #text <= 10
end

local function time_ms_of(text)
  local time_ms = text:find("^%d+$") and tonumber(text)
  return time_ms and time_ms <= TIME_MAX_MS and time_ms or nil
end

-- The texts of an entry's token, price and time, in whatever order the fields come.
local function fields_of(entry)
  local fields = entry[2]
  if fields[1] == "token" and fields[3] == "price" and fields[5] == "time" then return fields[2], fields[4], fields[6] end
  local named = {}
  for i = 1, #fields, 2 do named[fields[i]] = fields[i + 1] end
  return named.token, named.price, named.time
end

-- What is wrong with an entry that was refused.
local function fault_of(token, price, time)
  if not (token and price and time) then return "a tick has the fields token, price and time" end
  if not is_token(token) then return "token must be a whole number, was " .. token end
  if not number.price_e4(price) then return "price must be rupees above 0 with at most 4 decimals, was " .. price end
  return "time must be epoch milliseconds, was " .. time
end

-- Bytewise, whatever the server's locale is.
local function is_alert_before(a, b)
  local left, right = a.id, b.id
  for i = 1, math.min(#left, #right) do
    local x, y = left:byte(i), right:byte(i)
    if x ~= y then return x < y end
  end
  return #left < #right
end

local function append_alert(self, symbol, alert)
  local rule = alert.rule
  call("XADD", alerts, "MAXLEN", "~", ALERTS_MAX, "*",
    "alert", rule.id .. "-" .. string.format("%d", alert.epoch), "rule", rule.id, "user", rule.user, "token", self.token,
    "symbol", symbol, "kind", rule.kind, "direction", alert.side, "price", number.price_text(self.price_e4),
    "reference", number.price_text(alert.reference_e4),
    "percent", kinds[rule.kind].is_price and "" or number.percent_text(rule.amount),
    "window", rule.window_ms > 0 and number.seconds_text(rule.window_ms) or "",
    "time", string.format("%d", self.time_ms))
end

-- The nearest trigger price of a side over all families and cohorts, and the smallest armed percent.
local function nearest(self, side)
  local better = side == "up" and min or max
  local nearest_e4, smallest_e2 = side == "up" and HUGE or 0, HUGE
  rules.each_nearest(self, side, function(price_e4, percent_e2)
    nearest_e4 = better(nearest_e4, price_e4)
    smallest_e2 = min(smallest_e2, percent_e2 or HUGE)
  end)
  return nearest_e4, smallest_e2
end

local function append_alerts(self, fired)
  if #fired == 0 then return end
  local symbol = call("HGET", self.key, "symbol")
  table.sort(fired, is_alert_before)
  for _, alert in ipairs(fired) do append_alert(self, symbol, alert) end
end

-- The full look: arms what is due, fires what the newest tick triggers, and lays the band anew. Returns alerts appended.
-- Beyond the burst it stops, and a later call goes on with the same tick: rules that it fired are not armed by it again.
-- `before_ms`: the time of the tick before, 0 for none; nil when it goes on.
local function look(self, before_ms)
  if before_ms then self.opens_day = before_ms > 0 and self.time_ms >= instrument.day_ends_ms(before_ms) end
  if self.phase ~= FIRING then
    self.phase = rules.arm_due(self, burst) and ARMING or FIRING
    if self.phase == ARMING then return 0 end
  end
  self.wake_ms = self.time_ms + REFRESH_MS
  history.open(self)
  rules.open(self)
  self.lowest_e4, self.highest_e4 = self.price_e4, self.price_e4
  local fired = rules.fire(self, burst)
  append_alerts(self, fired)
  if #fired >= burst then return #fired end
  self.phase = DONE
  self.wake_ms = min(self.wake_ms, rules.next_due_ms(self))
  self.above_e4, self.up_e2 = nearest(self, "up")
  self.below_e4, self.down_e2 = nearest(self, "down")
  moves.show(self)
  return #fired
end

-- A new extreme since the last look may become a reference: moves the band in as far as the smallest percent could reach.
local function narrow_band(self)
  local price_e4 = self.price_e4
  if price_e4 < self.lowest_e4 then
    self.lowest_e4 = price_e4
    if self.up_e2 < HUGE then self.above_e4 = min(self.above_e4, threshold_e4("up", price_e4, self.up_e2)) end
  end
  if price_e4 > self.highest_e4 then
    self.highest_e4 = price_e4
    if self.down_e2 < HUGE then self.below_e4 = max(self.below_e4, threshold_e4("down", price_e4, self.down_e2)) end
  end
end

-- One tick of one instrument. Returns alerts appended, nil where a glance was enough.
local function take(self, price_e4, time_ms)
  push(self, price_e4)
  local before_ms
  if self.phase == DONE then
    self.previous_e4, before_ms = self.price_e4 > 0 and self.price_e4 or price_e4, self.time_ms
  end
  self.price_e4 = price_e4
  if time_ms > self.time_ms then self.time_ms = time_ms end
  narrow_band(self)
  if price_e4 < self.above_e4 and price_e4 > self.below_e4 and self.time_ms < self.wake_ms and self.phase == DONE then
    return nil
  end
  return look(self, before_ms)
end

-- The later of two stream ids.
local function later(a, b)
  local a_ms, a_seq = a:match("^(%d+)-(%d+)$")
  local b_ms, b_seq = b:match("^(%d+)-(%d+)$")
  local ahead = a_ms == b_ms and a_seq - b_seq or a_ms - b_ms
  return ahead >= 0 and a or b
end

-- The entries' fields as three lists, and each instrument among them once.
local function read(entries)
  local token_of, price_of, time_of, tokens, is_known = {}, {}, {}, {}, {}
  for i = 1, #entries do
    local token, price, time = fields_of(entries[i])
    token_of[i], price_of[i], time_of[i] = token or false, price or false, time or false
    if token and not is_known[token] and is_token(token) then
      is_known[token] = true
      tokens[#tokens + 1] = token
    end
  end
  return token_of, price_of, time_of, tokens
end

local started_s = clock_s()
if call("EXISTS", ticks) == 0 then return { 0, 0, "0-0", 0, 0 } end
local cursor, entries_read = cursor_of_group()
cursor = later(cursor, call("GET", cursor_key) or cursor)
local entries = call("XRANGE", ticks, "(" .. cursor, "+", "COUNT", count)
if #entries == 0 then return { 0, 0, cursor, 0, 0 } end

local token_of, price_of, time_of, tokens = read(entries)
local loaded = instrument.load_all(prefix, tokens)
local appended, malformed, fault, begun = 0, 0, nil, 0
local taken, next_clock, deadline_s = 0, CLOCK_EVERY, started_s + hold_ms / 1000
for i = 1, #entries do
  local token, price, time = token_of[i], price_of[i], time_of[i]
  local self = token and loaded[token]
  local price_e4, time_ms = price and number.price_e4(price), time and time_ms_of(time)
  taken = i
  if not (self and price_e4 and time_ms) then
    malformed, fault = malformed + 1, entries[i][1] .. ": " .. fault_of(token, price, time)
  else
    self.price_text = price
    local alerts_of_look = take(self, price_e4, time_ms)
    if alerts_of_look then appended, next_clock = appended + alerts_of_look, i end
    if self.phase ~= DONE then
      taken, begun = i - 1, 1
      break
    end
  end
  if i >= next_clock then
    if clock_s() >= deadline_s then break end
    next_clock = i + CLOCK_EVERY
  end
end
local last = taken > 0 and entries[taken][1] or cursor
instrument.save_all(tokens, loaded, cursor_key, last)
if malformed > 0 then
  call("HINCRBY", counters, "malformed", malformed)
  call("HSET", counters, "malformed_last", fault)
end
call("XGROUP", "SETID", ticks, GROUP, last, "ENTRIESREAD", (entries_read or 0) + taken)
return { taken, appended, last, begun, os_library and (clock_s() - started_s) * 1000000 or -1 }
