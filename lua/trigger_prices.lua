#!lua flags=no-writes
-- Tells at which prices given rules of one instrument fire, however many others are nearer.
--
-- KEYS     instrument  hash
-- ARGV     token       of the instrument
--          rules...    their ids
-- Returns  price:text  its own, empty before the first tick
--          triggers:rows[rule,side,reference,trigger]  the first price to fire of each side of those that are armed
local history = require("lib.history")
local instrument = require("lib.instrument")
local number = require("lib.number")
local rules = require("lib.rules")

local instrument_key = KEYS[1]
local token = ARGV[1]
local prefix = instrument_key:match("^(.*:)instrument:")

local self = instrument.load(prefix, token)
if self.price_e4 == 0 then return { "", {} } end
history.peek(self)
rules.peek(self)
local triggers = {}
for i = 2, #ARGV do
  local rule = rules.load(prefix, ARGV[i])
  if rule and rule.token == token and rule.state == "armed" then
    rules.each_trigger(self, rule, function(side, reference_e4, trigger_e4)
      triggers[#triggers + 1] = { rule.id, side, number.price_text(reference_e4), number.price_text(trigger_e4) }
    end)
  end
end
return { number.price_text(self.price_e4), triggers }
