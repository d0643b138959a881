#!lua
-- Takes the next unread ticks of one shard, fires the rules they trigger and appends the alerts: one atomic step.
--
-- KEYS     ticks     stream of the shard, read as group `evaluator`
--          alerts    stream of the shard
--          counters  hash: malformed entries, and what the last one was
-- ARGV     count     most entries to take, at most 2,000
-- Returns  {entries taken, alerts appended, id up to which the group has read}
--
-- An instrument is read and written once a batch. Redis does not roll a failing script back, so the step can be repeated:
-- entries are checked before use, the group moves last, and an instrument skips ticks up to the last one it took.
local instrument = require("lib.instrument")
local history = require("lib.history")
local number = require("lib.number")
local rolling = require("lib.rolling")
local rules = require("lib.rules")
local trailing = require("lib.trailing")

local ticks, alerts, counters = KEYS[1], KEYS[2], KEYS[3]
local count = ARGV[1]

local GROUP = "evaluator"
local ALERTS_MAX = 1000000
-- A full look at least this often drops expired history and refreshes what redis-cli shows.
local REFRESH_MS = 60000
-- Beyond it milliseconds would no longer be exact; it is the year 10889.
local TIME_MAX_MS = 281474976710656
local prefix = ticks:match("^(.*:)ticks$")
local call, threshold_e4 = redis.call, number.threshold_e4
local push = history.push
local min, max, HUGE = math.min, math.max, math.huge

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
  local left, right = a.rule.id, b.rule.id
  for i = 1, math.min(#left, #right) do
    local x, y = left:byte(i), right:byte(i)
    if x ~= y then return x < y end
  end
  return #left < #right
end

local function append_alert(self, alert)
  local rule = alert.rule
  call("XADD", alerts, "MAXLEN", "~", ALERTS_MAX, "*",
    "alert", rule.id .. "-" .. string.format("%d", rule.epoch), "rule", rule.id, "user", rule.user, "token", self.token,
    "symbol", rule.symbol, "kind", rule.kind, "direction", alert.side, "price", number.price_text(self.price_e4),
    "reference", number.price_text(alert.reference_e4), "percent", rule.percent, "window", rule.window,
    "time", string.format("%d", self.time_ms))
end

local function fire_side(self, side, fired)
  local triggered = {}
  rules.each_triggered(self, side, function(id, reference_e4)
    triggered[#triggered + 1] = { id = id, reference_e4 = reference_e4 }
  end)
  for _, hit in ipairs(triggered) do
    fired[#fired + 1] = { rule = rules.fire(self, hit.id), side = side, reference_e4 = hit.reference_e4 }
  end
end

-- The nearest trigger price of a side over all families and cohorts, and the smallest armed percent.
local function nearest(self, side)
  local better = side == "up" and min or max
  local nearest_e4, smallest_e2 = side == "up" and HUGE or 0, HUGE
  rules.each_nearest(self, side, function(price_e4, percent_e2)
    nearest_e4 = better(nearest_e4, price_e4)
    smallest_e2 = min(smallest_e2, percent_e2)
  end)
  return nearest_e4, smallest_e2
end

-- The full look: arms what is due, fires what the newest tick triggers, and lays the band anew. Returns alerts appended.
local function look(self)
  local next_due_ms = rules.arm_due(self)
  self.wake_ms = min(next_due_ms, self.time_ms + REFRESH_MS)
  history.open(self)
  rolling.open(self)
  trailing.open(self)
  local fired = {}
  -- Up before down: a rule on both sides that fires up is disarmed when down is looked at.
  fire_side(self, "up", fired)
  fire_side(self, "down", fired)
  table.sort(fired, is_alert_before)
  for _, alert in ipairs(fired) do append_alert(self, alert) end
  self.above_e4, self.up_e2 = nearest(self, "up")
  self.below_e4, self.down_e2 = nearest(self, "down")
  self.lowest_e4, self.highest_e4 = self.price_e4, self.price_e4
  rolling.show(self)
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

-- One tick of one instrument. Returns alerts appended.
local function take(self, price_e4, time_ms)
  push(self, price_e4)
  self.price_e4 = price_e4
  if time_ms > self.time_ms then self.time_ms = time_ms end
  narrow_band(self)
  if price_e4 < self.above_e4 and price_e4 > self.below_e4 and self.time_ms < self.wake_ms then return 0 end
  return look(self)
end

-- Each instrument of the entries once.
local function tokens_of(entries)
  local tokens, is_known = {}, {}
  for i = 1, #entries do
    local token = fields_of(entries[i])
    if token and not is_known[token] and is_token(token) then
      is_known[token] = true
      tokens[#tokens + 1] = token
    end
  end
  return tokens
end

if call("EXISTS", ticks) == 0 then return { 0, 0, "0-0" } end
local cursor, entries_read = cursor_of_group()
local entries = call("XRANGE", ticks, "(" .. cursor, "+", "COUNT", count)
if #entries == 0 then return { 0, 0, cursor } end

local tokens = tokens_of(entries)
local loaded = instrument.load_all(prefix, tokens)
local appended, malformed, fault = 0, 0, nil
for i = 1, #entries do
  local id = entries[i][1]
  local token, price, time = fields_of(entries[i])
  local self = token and loaded[token]
  local price_e4, time_ms = price and number.price_e4(price), time and time_ms_of(time)
  if not (self and price_e4 and time_ms) then
    malformed, fault = malformed + 1, id .. ": " .. fault_of(token, price, time)
  elseif instrument.is_new(self, id) then
    self.price_text = price
    appended = appended + take(self, price_e4, time_ms)
  end
end
instrument.save_all(prefix, tokens, loaded)
if malformed > 0 then
  call("HINCRBY", counters, "malformed", malformed)
  call("HSET", counters, "malformed_last", fault)
end
local last = entries[#entries][1]
call("XGROUP", "SETID", ticks, GROUP, last, "ENTRIESREAD", (entries_read or 0) + #entries)
return { #entries, appended, last }
