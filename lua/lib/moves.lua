-- Rules on a move from a reference that a whole family shares: rolling rules, by side and window, from the window's extreme;
-- day and gap rules, by side, from the previous close. A family is one sorted set by percent, and those that fire are a prefix
-- of it. Gap rules fire at the first tick of a day only, at which there is always a look.
-- The hash `families` names the families in use, such as up:300000 or down:day, each with its smallest percent.
local history = require("lib.history")
local index = require("lib.index")
local instrument = require("lib.instrument")
local number = require("lib.number")

local moves = {}

local call = redis.call
local GAP = "gap"

local function families_key(self)
  return self.prefix .. "families:" .. self.token
end

local function span_of(rule)
  return rule.window_ms > 0 and string.format("%d", rule.window_ms) or rule.kind
end

local function index_key(self, side, span)
  return self.prefix .. "moves:" .. self.token .. ":" .. side .. ":" .. span
end

local function family(side, span, percent_text)
  return { side = side, span = span, window_ms = tonumber(span), e2 = tonumber(percent_text) }
end

local function touch(self, side, span)
  self.touched = self.touched or {}
  self.touched[side .. ":" .. span] = { side, span }
end

function moves.add(self, rule, side)
  local span = span_of(rule)
  index.add(self, index_key(self, side, span), rule.amount, rule.id)
  touch(self, side, span)
end

function moves.remove(self, rule, side)
  local span = span_of(rule)
  index.remove(self, index_key(self, side, span), rule.id)
  touch(self, side, span)
end

-- Brings the smallest percents up to date after the index was written, and forgets families without rules.
function moves.settle(self)
  for name, place in pairs(self.touched or {}) do
    local side, span = place[1], place[2]
    local first = call("ZRANGE", index_key(self, side, span), 0, 0, "WITHSCORES")
    if first[1] then
      call("HSET", families_key(self), name, first[2])
    else
      call("HDEL", families_key(self), name)
      if tonumber(span) then call("HDEL", self.key, "window " .. number.seconds_text(tonumber(span))) end
    end
    if self.families then self.families[name] = first[1] and family(side, span, first[2]) or nil end
  end
  self.touched = nil
end

-- The references of a span for both sides; without a previous close those from it are nil.
local function references_of(self, span)
  if not tonumber(span) then
    local close = call("HGET", self.prefix .. "quote:" .. self.token, "close")
    local close_e4 = close and number.price_e4(close)
    return { up = close_e4, down = close_e4 }
  end
  local window_ms = tonumber(span)
  return {
    up = history.extreme(self.lows, window_ms, self.time_ms, self.price_e4),
    down = history.extreme(self.highs, window_ms, self.time_ms, self.price_e4),
  }
end

-- Reads the families and their references for one look.
function moves.open(self)
  self.families, self.references = {}, {}
  local stored = call("HGETALL", families_key(self))
  for i = 1, #stored, 2 do
    local side, span = stored[i]:match("^(%a+):(%w+)$")
    self.families[stored[i]] = family(side, span, stored[i + 1])
    if not self.references[span] then self.references[span] = references_of(self, span) end
    -- Tomorrow's reference is another close.
    if not tonumber(span) then self.wake_ms = math.min(self.wake_ms, instrument.day_ends_ms(self.time_ms)) end
  end
end

-- They are read only.
moves.peek = moves.open

-- Calls found(rule id, reference) for armed rules of the side that the newest tick triggers, at most so many of a family.
function moves.each_triggered(self, side, most, found)
  for _, each in pairs(self.families) do
    local reference_e4 = each.side == side and (each.span ~= GAP or self.opens_day) and self.references[each.span][side]
    if reference_e4 then
      local move_e2 = number.move_e2(side, reference_e4, self.price_e4)
      if move_e2 >= each.e2 then
        for _, id in ipairs(call("ZRANGEBYSCORE", index_key(self, side, each.span), "-inf", move_e2, "LIMIT", 0, most)) do
          found(id, reference_e4)
        end
      end
    end
  end
end

-- What a family of the side measures from, where a price of today can still fire it.
local function reference_of(self, each, side)
  return each.side == side and each.span ~= GAP and self.references[each.span][side]
end

-- Calls found(threshold price, percent or nil) with the nearest of each family of the side. The previous close does not move
-- with the price, so that only a rolling family's percent can bring a threshold nearer before the next look.
function moves.each_nearest(self, side, found)
  for _, each in pairs(self.families) do
    local reference_e4 = reference_of(self, each, side)
    if reference_e4 then found(number.threshold_e4(side, reference_e4, each.e2), each.window_ms and each.e2) end
  end
end

-- Calls found(rule id, reference, first price to fire) for the nearest `count` armed rules of each family of the side.
function moves.each_armed(self, side, count, found)
  for _, each in pairs(self.families) do
    local reference_e4 = reference_of(self, each, side)
    if reference_e4 then
      local nearest = call("ZRANGE", index_key(self, side, each.span), 0, count - 1, "WITHSCORES")
      for i = 1, #nearest, 2 do
        found(nearest[i], reference_e4, number.threshold_e4(side, reference_e4, tonumber(nearest[i + 1])))
      end
    end
  end
end

-- The reference of an armed rule, and the first price at which it fires; nil without a previous close, and for a gap, which is
-- tomorrow's.
function moves.trigger(self, rule, side)
  local span = span_of(rule)
  local references = span ~= GAP and self.references[span]
  local reference_e4 = references and references[side]
  if not reference_e4 then return nil end
  return reference_e4, number.threshold_e4(side, reference_e4, rule.amount)
end

-- Calls found(key, whether its members are rules) for every key of the families.
function moves.each_index(self, found)
  found(families_key(self), false)
  local families = call("HGETALL", families_key(self))
  for i = 1, #families, 2 do
    local side, span = families[i]:match("^(%a+):(%w+)$")
    found(index_key(self, side, span), true)
  end
end

-- The windows' extremes with the time that they are of, as fields and values of the instrument's hash.
function moves.shown(self)
  local shown, time = {}, string.format(" at %d", self.time_ms)
  for span, reference in pairs(self.references) do
    if tonumber(span) then
      shown[#shown + 1] = "window " .. number.seconds_text(tonumber(span))
      shown[#shown + 1] = "low " .. number.price_text(reference.up) .. " high " .. number.price_text(reference.down) .. time
    end
  end
  return shown
end

-- Shows them in the hash: between looks they are not kept.
function moves.show(self)
  local shown = moves.shown(self)
  if #shown > 0 then call("HSET", self.key, unpack(shown)) end
end

return moves
