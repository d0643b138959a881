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

-- Calls found(rule id, level) for every armed rule of the side whose level lies between the tick before and the newest, or
-- at the newest.
function level.each_triggered(self, side, found)
  local low, high = "(" .. self.previous_e4, self.price_e4
  if side == "down" then low, high = self.price_e4, "(" .. self.previous_e4 end
  local crossed = call("ZRANGEBYSCORE", key(self, side), low, high, "WITHSCORES")
  for i = 1, #crossed, 2 do found(crossed[i], tonumber(crossed[i + 1])) end
end

-- Calls found(level) with the nearest beyond the newest tick.
function level.each_nearest(self, side, found)
  local nearest
  if side == "up" then
    nearest = call("ZRANGEBYSCORE", key(self, side), "(" .. self.price_e4, "+inf", "WITHSCORES", "LIMIT", 0, 1)
  else
    nearest = call("ZREVRANGEBYSCORE", key(self, side), "(" .. self.price_e4, "-inf", "WITHSCORES", "LIMIT", 0, 1)
  end
  if nearest[1] then found(tonumber(nearest[2])) end
end

-- Calls found(rule id, level, level) for the nearest `count` armed rules of the side.
function level.each_armed(self, side, count, found)
  local command, beyond = "ZRANGEBYSCORE", "+inf"
  if side == "down" then command, beyond = "ZREVRANGEBYSCORE", "-inf" end
  local nearest = call(command, key(self, side), "(" .. self.price_e4, beyond, "WITHSCORES", "LIMIT", 0, count)
  for i = 1, #nearest, 2 do found(nearest[i], tonumber(nearest[i + 1]), tonumber(nearest[i + 1])) end
end

return level
