#!lua flags=no-writes
-- Explains one instrument: where it stands, and which armed rules are nearest to firing.
--
-- KEYS     instrument  hash
-- ARGV     token       of the instrument
--          count       most rules to return
-- Returns  fields:pairs  the hash
--          nearest:rows[rule,text,side,reference,trigger]  the first prices to fire, nearest first
--          waiting:int   rules
--          next_ms:text  when the next of these is armed
local history = require("lib.history")
local instrument = require("lib.instrument")
local moves = require("lib.moves")
local number = require("lib.number")
local rules = require("lib.rules")

local instrument_key = KEYS[1]
local token, count = ARGV[1], tonumber(ARGV[2])
local prefix = instrument_key:match("^(.*:)instrument:")

local self = instrument.load(prefix, token)
if self.price_e4 == 0 then return { redis.call("HGETALL", instrument_key), {}, 0, "" } end
history.peek(self)
rules.peek(self)
local found = {}
for _, side in ipairs({ "up", "down" }) do
  rules.each_armed(self, side, count, function(id, reference_e4, trigger_e4)
    found[#found + 1] = { id = id, side = side, reference_e4 = reference_e4, trigger_e4 = trigger_e4 }
  end)
end
table.sort(found, function(a, b)
  local left, right = math.abs(a.trigger_e4 - self.price_e4), math.abs(b.trigger_e4 - self.price_e4)
  if left ~= right then return left < right end
  return a.id .. a.side < b.id .. b.side
end)
local nearest = {}
for i = 1, math.min(count, #found) do
  local each = found[i]
  nearest[i] = { each.id, redis.call("HGET", rules.key(prefix, each.id), "rule"), each.side,
    number.price_text(each.reference_e4), number.price_text(each.trigger_e4) }
end
local waiting, next_ms = rules.waiting(self)
local fields = redis.call("HGETALL", instrument_key)
-- As they are now; the hash has them as of the last full look.
for _, text in ipairs(moves.shown(self)) do fields[#fields + 1] = text end
return { fields, nearest, waiting, next_ms }
