-- The life of a rule: pending -> armed -> (cooling -> armed)* or spent.
--
-- The hash of a rule: user token symbol kind direction percent window repeat cooldown armed_at revision, and
--   state   pending, armed, cooling, spent or paused
--   epoch   the arm epoch, part of the alert's id; never repeats for a rule: the arming tick's time, or one more than the last
--   ready   when a pending or cooling rule is armed
--   arm     the number under which a trailing rule finds its cohort
local number = require("lib.number")
local rolling = require("lib.rolling")
local trailing = require("lib.trailing")

local rules = {}

local call = redis.call
local KINDS = { rolling = rolling, trailing = trailing }
local SIDES = { up = { "up" }, down = { "down" }, both = { "up", "down" } }

local function pending_key(self)
  return self.prefix .. "pending:" .. self.token
end

function rules.key(prefix, id)
  return prefix .. "rule:" .. id
end

-- The rule as armed; nil when there is no such rule.
function rules.load(prefix, id)
  local v = call("HMGET", rules.key(prefix, id), "user", "symbol", "kind", "direction", "percent", "window", "repeat",
    "cooldown", "state", "epoch", "arm", "revision", "token")
  if not v[3] then return nil end
  return {
    id = id, user = v[1], symbol = v[2], kind = v[3], direction = v[4], percent = v[5], percent_e2 = number.percent_e2(v[5]),
    window = v[6], window_ms = number.duration_ms(v[6]), is_once = v[7] == "once", cooldown_ms = number.duration_ms(v[8]),
    state = v[9], epoch = tonumber(v[10] or 0), arm = tonumber(v[11] or 0), revision = tonumber(v[12] or 0), token = v[13],
  }
end

-- Puts the rule into the index, in force from the next tick that is looked at.
local function arm(self, rule)
  rule.epoch = math.max(rule.epoch + 1, self.time_ms)
  for _, side in ipairs(SIDES[rule.direction]) do KINDS[rule.kind].add(self, rule, side) end
  call("HSET", rules.key(self.prefix, rule.id), "state", "armed", "epoch", string.format("%d", rule.epoch), "arm", rule.arm)
end

local function wait(self, rule, state, ready_ms)
  call("ZADD", pending_key(self), ready_ms, rule.id)
  call("HSET", rules.key(self.prefix, rule.id), "state", state, "ready", string.format("%d", ready_ms),
    "epoch", string.format("%d", rule.epoch))
  self.wake_ms = math.min(self.wake_ms, ready_ms)
end

-- Arms the rule at the first tick from armed_at on. The next tick is looked at whatever its price.
function rules.start(self, rule, armed_at_ms)
  if armed_at_ms > self.time_ms then return wait(self, rule, "pending", armed_at_ms) end
  arm(self, rule)
  self.wake_ms = 0
end

-- Takes the rule out of the index or out of the waiting ones.
function rules.stop(self, rule)
  if rule.state == "armed" then
    for _, side in ipairs(SIDES[rule.direction]) do KINDS[rule.kind].remove(self, rule, side) end
  else
    call("ZREM", pending_key(self), rule.id)
  end
end

-- Arms the rules whose time has come and returns when the next one's will.
function rules.arm_due(self)
  for _, id in ipairs(call("ZRANGEBYSCORE", pending_key(self), "-inf", self.time_ms)) do
    local rule = rules.load(self.prefix, id)
    if rule then arm(self, rule) end
    call("ZREM", pending_key(self), id)
  end
  local next_up = call("ZRANGE", pending_key(self), 0, 0, "WITHSCORES")
  return next_up[1] and tonumber(next_up[2]) or math.huge
end

-- The rule fired: it is spent, or cools down. Returns it.
function rules.fire(self, id)
  local rule = rules.load(self.prefix, id)
  rules.stop(self, rule)
  if rule.is_once then
    call("HSET", rules.key(self.prefix, id), "state", "spent")
  else
    wait(self, rule, "cooling", self.time_ms + rule.cooldown_ms)
  end
  return rule
end

-- Calls found(rule id, reference) for every armed rule of the side that the newest tick triggers.
function rules.each_triggered(self, side, found)
  rolling.each_triggered(self, side, found)
  trailing.each_triggered(self, side, found)
end

function rules.each_nearest(self, side, found)
  rolling.each_nearest(self, side, found)
  trailing.each_nearest(self, side, found)
end

return rules
