-- Rolling rules: rules of one instrument, side and window share their reference, so they lie in one sorted set by percent and
-- those that fire are a prefix of it. The hash `families` names the sets in use, each with its smallest percent.
local history = require("lib.history")
local number = require("lib.number")

local rolling = {}

local call = redis.call

local function index_key(self, side, window_ms)
  return self.prefix .. "rolling:" .. self.token .. ":" .. side .. ":" .. string.format("%d", window_ms)
end

local function families_key(self)
  return self.prefix .. "families:" .. self.token
end

local function field(side, window_ms)
  return side .. ":" .. string.format("%d", window_ms)
end

-- Keeps the smallest percent of a family, and forgets a family without rules.
local function note_smallest(self, side, window_ms)
  local first = call("ZRANGE", index_key(self, side, window_ms), 0, 0, "WITHSCORES")
  local name = field(side, window_ms)
  if first[1] then
    call("HSET", families_key(self), name, first[2])
  else
    call("HDEL", families_key(self), name)
    call("HDEL", self.key, "window " .. window_ms / 1000 .. "s")
  end
  if self.families then self.families[name] = first[1] and { side = side, window_ms = window_ms, e2 = tonumber(first[2]) } end
end

function rolling.add(self, rule, side)
  call("ZADD", index_key(self, side, rule.window_ms), rule.percent_e2, rule.id)
  note_smallest(self, side, rule.window_ms)
end

function rolling.remove(self, rule, side)
  call("ZREM", index_key(self, side, rule.window_ms), rule.id)
  note_smallest(self, side, rule.window_ms)
end

-- Reads the families and their windows' extremes for one look.
function rolling.open(self)
  self.families, self.windows = {}, {}
  local stored = call("HGETALL", families_key(self))
  for i = 1, #stored, 2 do
    local side, window = stored[i]:match("^(%a+):(%d+)$")
    local window_ms = tonumber(window)
    self.families[stored[i]] = { side = side, window_ms = window_ms, e2 = tonumber(stored[i + 1]) }
    if not self.windows[window_ms] then
      self.windows[window_ms] = {
        up = history.extreme(self.lows, window_ms, self.time_ms, self.price_e4),
        down = history.extreme(self.highs, window_ms, self.time_ms, self.price_e4),
      }
    end
  end
end

-- Calls found(rule id, reference) for every armed rule of the side that the newest tick triggers.
function rolling.each_triggered(self, side, found)
  for _, family in pairs(self.families) do
    if family.side == side then
      local reference_e4 = self.windows[family.window_ms][side]
      local move_e2 = number.move_e2(side, reference_e4, self.price_e4)
      if move_e2 >= family.e2 then
        for _, id in ipairs(call("ZRANGEBYSCORE", index_key(self, side, family.window_ms), "-inf", move_e2)) do
          found(id, reference_e4)
        end
      end
    end
  end
end

-- Calls found(threshold price, percent) with the nearest of each family of the side.
function rolling.each_nearest(self, side, found)
  for _, family in pairs(self.families) do
    if family.side == side then
      found(number.threshold_e4(side, self.windows[family.window_ms][side], family.e2), family.e2)
    end
  end
end

-- Shows the windows' extremes in the instrument's hash.
function rolling.show(self)
  local shown = {}
  for window_ms, extreme in pairs(self.windows) do
    shown[#shown + 1] = "window " .. window_ms / 1000 .. "s"
    shown[#shown + 1] = "low " .. number.price_text(extreme.up) .. " high " .. number.price_text(extreme.down)
  end
  if #shown > 0 then call("HSET", self.key, unpack(shown)) end
end

return rolling
