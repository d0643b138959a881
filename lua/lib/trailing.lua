-- Trailing rules: cohorts of rules that share their extreme since arming.
--
-- On the down side the extreme is the peak. A rule armed later never has a higher peak than one armed earlier, so the cohorts
-- are a stack: a new high swallows the newest cohorts up to it, the smaller set moved into the larger. The up side is the
-- mirror image with troughs. Rules armed since the last tick wait in the cohort `fresh` and get the next tick as extreme.
-- Per instrument and side, each a sorted set over the cohorts:
--   extremes   the peak or trough        newest     the highest arm number in it: finds a rule's cohort
--   triggers   the first price to fire   smallest   the smallest percent in it
local index = require("lib.index")
local number = require("lib.number")

local trailing = {}

local call = redis.call
local FRESH = "fresh"
local INDEXES = { "extremes", "newest", "triggers", "smallest" }

local function key(self, side, noun)
  return self.prefix .. noun .. ":" .. self.token .. ":" .. side
end

local function cohort_key(self, side, cohort)
  return key(self, side, "cohort") .. ":" .. cohort
end

local function forget(self, side, cohort)
  for _, noun in ipairs(INDEXES) do call("ZREM", key(self, side, noun), cohort) end
end

-- Brings the cohort's smallest percent and trigger up to date; forgets an empty cohort.
local function note(self, side, cohort, extreme_e4)
  local first = call("ZRANGE", cohort_key(self, side, cohort), 0, 0, "WITHSCORES")
  if not first[1] then return forget(self, side, cohort) end
  local smallest_e2 = tonumber(first[2])
  call("ZADD", key(self, side, "smallest"), smallest_e2, cohort)
  call("ZADD", key(self, side, "triggers"), number.threshold_e4(side, extreme_e4, smallest_e2), cohort)
end

-- Moves every member of one cohort into another.
local function pour(self, side, from, into)
  local members = call("ZRANGE", cohort_key(self, side, from), 0, -1, "WITHSCORES")
  for i = 1, #members, 2 do members[i], members[i + 1] = members[i + 1], members[i] end
  index.write("ZADD", cohort_key(self, side, into), members)
  call("DEL", cohort_key(self, side, from))
end

-- Makes one cohort of several and gives it the extreme.
local function unite(self, side, cohorts, extreme_e4)
  local largest, most, newest = nil, -1, 0
  for _, cohort in ipairs(cohorts) do
    local size = call("ZCARD", cohort_key(self, side, cohort))
    if size > most then largest, most = cohort, size end
    newest = math.max(newest, tonumber(call("ZSCORE", key(self, side, "newest"), cohort)))
  end
  for _, cohort in ipairs(cohorts) do
    if cohort ~= largest then
      pour(self, side, cohort, largest)
      forget(self, side, cohort)
    end
  end
  call("ZADD", key(self, side, "newest"), newest, largest)
  call("ZADD", key(self, side, "extremes"), extreme_e4, largest)
  note(self, side, largest, extreme_e4)
end

-- The new extreme reaches every cohort that it beats or equals.
local function extend(self, side, extreme_e4)
  local low, high = extreme_e4, "+inf"
  if side == "down" then low, high = "-inf", extreme_e4 end
  local beaten = call("ZRANGEBYSCORE", key(self, side, "extremes"), low, high)
  if #beaten == 0 then return end
  if #beaten == 1 and tonumber(call("ZSCORE", key(self, side, "extremes"), beaten[1])) == extreme_e4 then return end
  unite(self, side, beaten, extreme_e4)
end

-- Gives the fresh rules this tick as their extreme. The name of a cohort is its first arm number.
local function adopt_fresh(self, side)
  if call("EXISTS", cohort_key(self, side, FRESH)) == 0 then return end
  local cohort = string.format("%d", self.arms)
  call("RENAME", cohort_key(self, side, FRESH), cohort_key(self, side, cohort))
  call("ZADD", key(self, side, "newest"), self.arms, cohort)
  call("ZADD", key(self, side, "extremes"), self.price_e4, cohort)
  note(self, side, cohort, self.price_e4)
  extend(self, side, self.price_e4)
end

local function cohort_of(self, side, rule)
  if rule.arm > self.arms then return FRESH end
  return call("ZRANGEBYSCORE", key(self, side, "newest"), rule.arm, "+inf", "LIMIT", 0, 1)[1]
end

-- Arms the rule from the next look's tick on, or from this one's when called before `open`.
function trailing.add(self, rule, side)
  rule.arm = self.arms + 1
  index.add(self, cohort_key(self, side, FRESH), rule.amount, rule.id)
end

function trailing.remove(self, rule, side)
  local cohort = cohort_of(self, side, rule)
  if not cohort then return end
  index.remove(self, cohort_key(self, side, cohort), rule.id)
  if cohort == FRESH then return end
  self.thinned = self.thinned or {}
  self.thinned[side .. ":" .. cohort] = { side, cohort }
end

-- Brings the cohorts that lost rules up to date after the index was written.
function trailing.settle(self)
  for _, place in pairs(self.thinned or {}) do
    local side, cohort = place[1], place[2]
    note(self, side, cohort, tonumber(call("ZSCORE", key(self, side, "extremes"), cohort)))
  end
  self.thinned = nil
end

-- Brings the cohorts up to the newest tick: the extremes since the last look, then the rules armed since.
function trailing.open(self)
  extend(self, "down", self.highest_e4)
  extend(self, "up", self.lowest_e4)
  local has_fresh = call("EXISTS", cohort_key(self, "up", FRESH), cohort_key(self, "down", FRESH)) > 0
  if not has_fresh then return end
  self.arms = self.arms + 1
  adopt_fresh(self, "up")
  adopt_fresh(self, "down")
end

-- Calls found(rule id, reference) for armed rules of the side that the newest tick triggers, at most so many of a cohort.
function trailing.each_triggered(self, side, most, found)
  local low, high = "-inf", self.price_e4
  if side == "down" then low, high = self.price_e4, "+inf" end
  for _, cohort in ipairs(call("ZRANGEBYSCORE", key(self, side, "triggers"), low, high, "LIMIT", 0, most)) do
    local extreme_e4 = tonumber(call("ZSCORE", key(self, side, "extremes"), cohort))
    local move_e2 = number.move_e2(side, extreme_e4, self.price_e4)
    for _, id in ipairs(call("ZRANGEBYSCORE", cohort_key(self, side, cohort), "-inf", move_e2, "LIMIT", 0, most)) do
      found(id, extreme_e4)
    end
  end
end

-- Calls found(threshold price, percent) with the nearest of the side, when there is any.
function trailing.each_nearest(self, side, found)
  local order = side == "up" and "ZRANGE" or "ZREVRANGE"
  local nearest = call(order, key(self, side, "triggers"), 0, 0, "WITHSCORES")
  if not nearest[1] then return end
  local smallest = call("ZRANGE", key(self, side, "smallest"), 0, 0, "WITHSCORES")
  found(tonumber(nearest[2]), tonumber(smallest[2]))
end

-- An extreme as the next look would have it.
local function extended(self, side, extreme_e4)
  return side == "down" and math.max(extreme_e4, self.highest_e4) or math.min(extreme_e4, self.lowest_e4)
end

-- The extreme of an armed rule, and the first price at which it fires; nil while it waits for its first tick.
function trailing.trigger(self, rule, side)
  local cohort = cohort_of(self, side, rule)
  if not cohort or cohort == FRESH then return nil end
  local extreme_e4 = extended(self, side, tonumber(call("ZSCORE", key(self, side, "extremes"), cohort)))
  return extreme_e4, number.threshold_e4(side, extreme_e4, rule.amount)
end

-- Calls found(rule id, reference, first price to fire) for the nearest `count` armed rules of each cohort of the side.
function trailing.each_armed(self, side, count, found)
  local cohorts = call("ZRANGE", key(self, side, "extremes"), 0, -1, "WITHSCORES")
  for c = 1, #cohorts, 2 do
    local extreme_e4 = extended(self, side, tonumber(cohorts[c + 1]))
    local nearest = call("ZRANGE", cohort_key(self, side, cohorts[c]), 0, count - 1, "WITHSCORES")
    for i = 1, #nearest, 2 do
      found(nearest[i], extreme_e4, number.threshold_e4(side, extreme_e4, tonumber(nearest[i + 1])))
    end
  end
end

-- Calls found(key, whether its members are rules) for the cohorts and what is kept of them.
function trailing.each_index(self, found)
  for _, side in ipairs({ "up", "down" }) do
    for _, noun in ipairs(INDEXES) do found(key(self, side, noun), false) end
    found(cohort_key(self, side, FRESH), true)
    for _, cohort in ipairs(call("ZRANGE", key(self, side, "newest"), 0, -1)) do found(cohort_key(self, side, cohort), true) end
  end
end

return trailing
