-- The life of a rule: pending -> armed -> (cooling -> armed)* or spent; paused when its owner says so.
--
-- There may be millions, so the hash of a rule is terse:
--   <state>  the arm epoch, part of the alert's id; never repeats for a rule: the arming tick's time, or one more than the last
--   rule     token, direction, amount, how, pause, user and revision, such as
--              408065 up 2.35% 5m asha 1           rolling, within 5 minutes; the pause is the usual one
--              408065 both 2% @17 once asha 1      trailing; 17 is the number under which it finds its cohort, while armed
--              408065 down 1384.55 level 90s asha 3
--              408065 up 3% day asha 1             from the previous close
local index = require("lib.index")
local kinds = require("lib.kinds")
local number = require("lib.number")

local rules = {}

local call, format = redis.call, string.format
local SIDES = { up = { "up" }, down = { "down" }, both = { "up", "down" } }

local function pending_key(self)
  return self.prefix .. "pending:" .. self.token
end

function rules.key(prefix, id)
  return prefix .. "rule:" .. id
end

local function family_of(rule)
  return kinds[rule.kind].family
end

-- Calls the function of this name of each family that has one.
local function each_family(name, ...)
  for _, family in ipairs(kinds.families) do
    if family[name] then family[name](...) end
  end
end

local function usual_cooldown_ms(rule)
  return kinds[rule.kind].usual_cooldown_ms or rule.window_ms
end

local function text_of(rule)
  local kind = kinds[rule.kind]
  local amount = kind.is_price and number.price_text(rule.amount) or number.percent_text(rule.amount):gsub("%.?0+$", "") .. "%"
  local how = kind.how and kind.how(rule) or rule.kind
  local words = { rule.token, rule.direction, amount, how, rule.user, format("%d", rule.revision) }
  if rule.is_once then
    table.insert(words, 5, "once")
  elseif rule.cooldown_ms ~= usual_cooldown_ms(rule) then
    table.insert(words, 5, number.duration_text(rule.cooldown_ms))
  end
  return table.concat(words, " ")
end

-- The rule as stored; nil when there is no such rule.
function rules.load(prefix, id)
  local fields = call("HGETALL", rules.key(prefix, id))
  if not fields[1] then return nil end
  local state, epoch, text = fields[1], fields[2], fields[4]
  if state == "rule" then state, epoch, text = fields[3], fields[4], fields[2] end
  local words = {}
  for word in text:gmatch("%S+") do words[#words + 1] = word end
  local kind = kinds.named(words[4])
  local rule = {
    id = id, token = words[1], direction = words[2], kind = kind, user = words[#words - 1], revision = tonumber(words[#words]),
    window_ms = kind == "rolling" and number.duration_ms(words[4]) or 0, arm = kind == "trailing" and tonumber(words[4]:sub(2)),
    state = state, epoch = tonumber(epoch),
  }
  rule.amount = kinds[kind].is_price and number.price_e4(words[3]) or number.percent_e2(words[3]:sub(1, -2))
  rule.is_once = #words == 7 and words[5] == "once"
  rule.cooldown_ms = #words == 7 and number.duration_ms(words[5]) or usual_cooldown_ms(rule)
  return rule
end

-- Writes the rule in its state; `before` is the state that is stored.
function rules.store(self, rule, state)
  local key = rules.key(self.prefix, rule.id)
  if rule.state and rule.state ~= state then call("HDEL", key, rule.state) end
  rule.state = state
  call("HSET", key, state, format("%d", rule.epoch), "rule", text_of(rule))
end

-- Puts the rule into the index, in force from the next tick that is looked at.
local function arm(self, rule)
  rule.epoch = math.max(rule.epoch + 1, self.time_ms)
  for _, side in ipairs(SIDES[rule.direction]) do family_of(rule).add(self, rule, side) end
  rules.store(self, rule, "armed")
end

local function wait(self, rule, state, ready_ms)
  rule.arm = nil
  index.add(self, pending_key(self), ready_ms, rule.id)
  rules.store(self, rule, state)
  self.wake_ms = math.min(self.wake_ms, ready_ms)
end

-- Writes what changed in the indexes.
local function settle(self)
  index.flush(self)
  each_family("settle", self)
end

-- Arms the rule at the first tick from armed_at on. The next tick is looked at whatever its price.
function rules.start(self, rule, armed_at_ms)
  if armed_at_ms > self.time_ms then
    wait(self, rule, "pending", armed_at_ms)
  else
    arm(self, rule)
    self.wake_ms = 0
  end
  settle(self)
end

local function take_out(self, rule)
  for _, side in ipairs(SIDES[rule.direction]) do family_of(rule).remove(self, rule, side) end
end

-- Takes the rule out of the index or out of the waiting ones.
function rules.stop(self, rule)
  if rule.state == "armed" then
    take_out(self, rule)
  else
    index.remove(self, pending_key(self), rule.id)
  end
  settle(self)
end

-- Takes a rule that fired out of the index, until its cooldown is over or for good.
local function come_to_rest(self, rule, fired_ms)
  take_out(self, rule)
  if rule.is_once then
    rules.store(self, rule, "spent")
  else
    wait(self, rule, "cooling", fired_ms + rule.cooldown_ms)
  end
end

function rules.rest(self, rule, fired_ms)
  come_to_rest(self, rule, fired_ms)
  settle(self)
end

-- Arms rules whose time has come, at most so many; true when that left some.
function rules.arm_due(self, most)
  local due = call("ZRANGEBYSCORE", pending_key(self), "-inf", self.time_ms, "LIMIT", 0, most)
  if #due == 0 then return false end
  for _, id in ipairs(due) do
    local rule = rules.load(self.prefix, id)
    if rule then arm(self, rule) end
  end
  call("ZREMRANGEBYRANK", pending_key(self), 0, #due - 1)
  settle(self)
  return rules.next_due_ms(self) <= self.time_ms
end

-- When the next waiting rule is due.
function rules.next_due_ms(self)
  local next_up = call("ZRANGE", pending_key(self), 0, 0, "WITHSCORES")
  return next_up[1] and tonumber(next_up[2]) or math.huge
end

-- Prepares the references for one look.
function rules.open(self)
  each_family("open", self)
end

-- The same for who only looks: writes nothing.
function rules.peek(self)
  each_family("peek", self)
end

-- Fires armed rules that the newest tick triggers, at most so many. Returns {rule, side, reference} each.
function rules.fire(self, most)
  local fired, is_fired = {}, {}
  -- Up before down: a rule on both sides that fires up does not fire down.
  for _, side in ipairs(SIDES.both) do
    local function found(id, reference_e4)
      if is_fired[id] or #fired >= most then return end
      is_fired[id] = true
      fired[#fired + 1] = { id = id, side = side, reference_e4 = reference_e4 }
    end
    each_family("each_triggered", self, side, most, found)
  end
  for _, alert in ipairs(fired) do
    local rule = rules.load(self.prefix, alert.id)
    alert.rule, alert.epoch = rule, rule.epoch
    come_to_rest(self, rule, self.time_ms)
  end
  if #fired > 0 then settle(self) end
  return fired
end

-- Calls found(price, percent or nil) with the nearest trigger prices of the side.
function rules.each_nearest(self, side, found)
  each_family("each_nearest", self, side, found)
end

-- Calls found(rule id, reference, first price to fire) for armed rules of the side, at least the nearest `count`.
function rules.each_armed(self, side, count, found)
  each_family("each_armed", self, side, count, found)
end

-- Calls found(side, reference, first price to fire) for each side of an armed rule that has a reference.
function rules.each_trigger(self, rule, found)
  for _, side in ipairs(SIDES[rule.direction]) do
    local reference_e4, trigger_e4 = family_of(rule).trigger(self, rule, side)
    if reference_e4 then found(side, reference_e4, trigger_e4) end
  end
end

-- Calls found(key, whether its members are rules) for every index of the instrument.
function rules.each_index(self, found)
  found(pending_key(self), true)
  each_family("each_index", self, found)
end

-- How many rules wait for their time, and when the next is armed.
function rules.waiting(self)
  local next_up = call("ZRANGE", pending_key(self), 0, 0, "WITHSCORES")
  return call("ZCARD", pending_key(self)), next_up[2] or ""
end

return rules
