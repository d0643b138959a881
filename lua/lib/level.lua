-- Level rules: a price that is reached or crossed from one tick to the next. One sorted set by price for each side.
local index = require("lib.index")

local level = {}

local call = redis.call

local function key(self, side)
  return self.prefix .. "levels:" .. self.token .. ":" .. side
end

function level.add(self, rule, side)
  index.add(self, key(self, side), rule.amount, rule.id)
end

function level.remove(self, rule, side)
  index.remove(self, key(self, side), rule.id)
end

-- Calls found(rule id, level) for armed rules of the side whose level lies between the tick before and the newest, or at the
-- newest; at most so many.
function level.each_triggered(self, side, most, found)
  local low, high = "(" .. self.previous_e4, self.price_e4
  if side == "down" then low, high = self.price_e4, "(" .. self.previous_e4 end
  local crossed = call("ZRANGEBYSCORE", key(self, side), low, high, "WITHSCORES", "LIMIT", 0, most)
  for i = 1, #crossed, 2 do found(crossed[i], tonumber(crossed[i + 1])) end
end

local function first_from(self, side, from)
  return call("ZRANGEBYSCORE", key(self, side), from, "+inf", "WITHSCORES", "LIMIT", 0, 1)[2]
end

local function last_to(self, side, to)
  return call("ZREVRANGEBYSCORE", key(self, side), to, "-inf", "WITHSCORES", "LIMIT", 0, 1)[2]
end

-- Calls found(price) with the nearest beyond the newest tick at which a level is reached, or is left behind so that it can be
-- reached again from there.
function level.each_nearest(self, side, found)
  local reached, left, step
  if side == "up" then
    reached, left, step = first_from(self, "up", "(" .. self.price_e4), first_from(self, "down", self.price_e4), 1
  else
    reached, left, step = last_to(self, "down", "(" .. self.price_e4), last_to(self, "up", self.price_e4), -1
  end
  if reached then found(tonumber(reached)) end
  if left then found(tonumber(left) + step) end
end

-- Calls found(rule id, level, level) for the nearest `count` armed rules of the side.
function level.each_armed(self, side, count, found)
  local command, beyond = "ZRANGEBYSCORE", "+inf"
  if side == "down" then command, beyond = "ZREVRANGEBYSCORE", "-inf" end
  local nearest = call(command, key(self, side), "(" .. self.price_e4, beyond, "WITHSCORES", "LIMIT", 0, count)
  for i = 1, #nearest, 2 do found(nearest[i], tonumber(nearest[i + 1]), tonumber(nearest[i + 1])) end
end

-- The level itself, where the price has yet to come to it from that side; else nil.
function level.trigger(self, rule, side)
  local is_ahead = self.price_e4 < rule.amount
  if side == "down" then is_ahead = self.price_e4 > rule.amount end
  if is_ahead then return rule.amount, rule.amount end
end

-- Calls found(key, true: its members are rules) for both sides.
function level.each_index(self, found)
  found(key(self, "up"), true)
  found(key(self, "down"), true)
end

return level
