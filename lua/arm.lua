#!lua
-- Arms one rule, or re-arms it when its revision changed, at the instrument's first tick from armed_at on.
--
-- KEYS     instrument  hash of the rule's instrument
--          rule        hash of the rule
-- ARGV     id          of the rule
--          user        its owner
--          token       of the instrument
--          symbol      such as NSE:INFY
--          kind        a row of lua/lib/kinds.lua
--          direction   up, down or both
--          amount      percent x 100, or rupees x 10,000 for a kind that fires at a price
--          window      ms; 0 for a kind without one
--          repeat      once or every
--          cooldown    ms
--          armed_at    epoch ms; 0 is before the first tick
--          revision    of the rule in the store
--          epoch       least arm epoch: the wall clock in ms, so that no alert id repeats after Redis was emptied
-- Returns  armed:int   1, or 0 when this revision was armed before; an error when the rule has another instrument
local instrument = require("lib.instrument")
local rules = require("lib.rules")

local instrument_key = KEYS[1]
local symbol, armed_at_ms, least_epoch = ARGV[4], tonumber(ARGV[11]), tonumber(ARGV[13])
local rule = {
  id = ARGV[1], user = ARGV[2], token = ARGV[3], kind = ARGV[5], direction = ARGV[6], amount = tonumber(ARGV[7]),
  window_ms = tonumber(ARGV[8]), is_once = ARGV[9] == "once", cooldown_ms = tonumber(ARGV[10]), revision = tonumber(ARGV[12]),
}
local prefix = instrument_key:match("^(.*:)instrument:")

local before = rules.load(prefix, rule.id)
if before and before.revision >= rule.revision then return 0 end
if before and before.token ~= rule.token then
  return redis.error_reply("ERR rule " .. rule.id .. " keeps its instrument " .. before.token .. ", was sent " .. rule.token)
end
local self = instrument.load(prefix, rule.token)
if before then rules.stop(self, before) end
redis.call("HSET", instrument_key, "symbol", symbol)
rule.state = before and before.state
rule.epoch = math.max(before and before.epoch or 0, least_epoch - 1)
rules.start(self, rule, armed_at_ms)
instrument.save(self)
return 1
