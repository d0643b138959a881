#!lua
-- Arms one rule, or arms it anew when its revision changed, at the instrument's first tick from armed_at on.
--
-- KEYS     instrument  hash of the rule's instrument
--          rule        hash of the rule
-- ARGV     id          of the rule
--          user        its owner
--          token       of the instrument
--          symbol      such as NSE:INFY
--          kind        rolling or trailing
--          direction   up, down or both
--          percent     such as 2.00
--          window      such as 300s; empty for trailing
--          repeat      once or every
--          cooldown    such as 60s
--          armed_at    epoch ms; 0 is before the first tick
--          revision    of the rule in the store
--          epoch       least arm epoch: the wall clock in ms, so that no alert id repeats after Redis was emptied
-- Returns  1 when it was armed, 0 when this revision was armed before; an error when the rule has another instrument
local instrument = require("lib.instrument")
local rules = require("lib.rules")

local instrument_key, rule_key = KEYS[1], KEYS[2]
local id, user, token, symbol, kind, direction = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local percent, window, repeat_, cooldown = ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local armed_at_ms, revision, least_epoch = tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[13])
local prefix = instrument_key:match("^(.*:)instrument:")

local before = rules.load(prefix, id)
if before and before.revision >= revision then return 0 end
if before and before.token ~= token then
  return redis.error_reply("ERR rule " .. id .. " keeps its instrument " .. before.token .. ", was sent " .. token)
end
local self = instrument.load(prefix, token)
if before then rules.stop(self, before) end
redis.call("HSET", instrument_key, "symbol", symbol)
redis.call("HSET", rule_key, "user", user, "token", token, "symbol", symbol, "kind", kind, "direction", direction,
  "percent", percent, "window", window, "repeat", repeat_, "cooldown", cooldown, "armed_at", ARGV[11], "revision", revision)
local rule = rules.load(prefix, id)
rule.epoch = math.max(rule.epoch, least_epoch - 1)
rules.start(self, rule, armed_at_ms)
instrument.save(self)
return 1
