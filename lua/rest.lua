#!lua
-- Lets an armed rule rest as if it had fired: after a backup was restored that knows its alert and had the rule still armed.
--
-- KEYS     instrument  hash of the rule's instrument
--          rule        hash of the rule
-- ARGV     id          of the rule
--          epoch       that the alert's id ends with
--          fired       epoch ms
-- Returns  rests:int   1, or 0 when it was not armed under that epoch
local instrument = require("lib.instrument")
local rules = require("lib.rules")

local instrument_key = KEYS[1]
local id, epoch, fired_ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local prefix = instrument_key:match("^(.*:)instrument:")

local rule = rules.load(prefix, id)
if not rule or rule.state ~= "armed" or rule.epoch ~= epoch then return 0 end
local self = instrument.load(prefix, rule.token)
rules.rest(self, rule, fired_ms)
instrument.save(self)
return 1
