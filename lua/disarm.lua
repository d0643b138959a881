#!lua
-- Takes one rule out of force; no other rule's state changes.
--
-- KEYS     instrument  hash of the rule's instrument
--          rule        hash of the rule
-- ARGV     id          of the rule
--          token       of the instrument
--          state       paused keeps the hash and its epoch, deleted removes it
--          revision    of the rule in the store
-- Returns  disarmed:int  1, or 0 when there was no such rule
local instrument = require("lib.instrument")
local rules = require("lib.rules")

local instrument_key, rule_key = KEYS[1], KEYS[2]
local id, token, state, revision = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local prefix = instrument_key:match("^(.*:)instrument:")

local rule = rules.load(prefix, id)
if not rule then return 0 end
local self = instrument.load(prefix, token)
rules.stop(self, rule)
if state == "deleted" then
  redis.call("DEL", rule_key)
else
  rule.arm, rule.revision = nil, revision
  rules.store(self, rule, state)
end
instrument.save(self)
return 1
