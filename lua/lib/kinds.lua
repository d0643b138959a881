-- The kinds of rules: all that the engine must know of one. A further kind is a row here, and a family where none fits it.
--
--   family             the module that keeps its armed rules and finds those that fire, see `kinds.families`
--   is_price           its amount is a price, else a percent
--   how                the fourth word of its rule; without it the kind's name
--   usual_cooldown_ms  what it pauses after an alert when its owner did not say; without it its window
local level = require("lib.level")
local moves = require("lib.moves")
local number = require("lib.number")
local trailing = require("lib.trailing")

local format = string.format

local kinds = {
  rolling = {
    family = moves,
    how = function(rule) return number.duration_text(rule.window_ms) end,
  },
  trailing = {
    family = trailing, usual_cooldown_ms = 60000,
    how = function(rule) return "@" .. (rule.arm and format("%d", rule.arm) or "") end,
  },
  day = { family = moves, usual_cooldown_ms = 28800000 },
  gap = { family = moves, usual_cooldown_ms = 28800000 },
  level = { family = level, is_price = true, usual_cooldown_ms = 60000 },
}

-- Each has, for an instrument as lib/instrument loads it:
--   add, remove(self, rule, side)                    of an armed rule; written by index.flush
--   each_triggered(self, side, most, found)          found(rule id, reference) for what the newest tick fires
--   each_nearest(self, side, found)                  found(price, percent or nil): between these no rule fires
--   each_armed(self, side, count, found)             found(rule id, reference, first price to fire), at least the nearest
--   trigger(self, rule, side)                        reference, first price to fire; nil when it has none
--   each_index(self, found)                          found(key, whether its members are rules) for every key of its own
-- and where it needs them:
--   open(self)                                       prepares the references for one look
--   peek(self)                                       the same, and writes nothing
--   settle(self)                                     after indexes were written
kinds.families = { moves, trailing, level }

-- The name of a kind by the fourth word of its rule.
function kinds.named(how)
  if kinds[how] then return how end
  return how:sub(1, 1) == "@" and "trailing" or "rolling"
end

return kinds
