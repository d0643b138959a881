-- The state of one instrument: read and written once a batch, with all other instruments of the batch.
--
-- The engine's own numbers are one string, `state:<token>`, because a script that parses and formats decimals spends most of
-- its time on that: doubles, then the newest records of the lows and of the highs. People read the hash `instrument:<token>`,
-- written with it:
--   symbol        such as NSE:INFY
--   price, time   the newest tick
--   above, below  the band: between them no armed rule can fire; empty when no rule looks that way
--   window 300s   extremes of a window that has rules, at the time of the last full look
local number = require("lib.number")

local instrument = {}

local STATE = ">" .. ("d"):rep(17)
local TAILS = 17 * 8 + 1
local call, format = redis.call, string.format
local pack, unpack_state = struct.pack, struct.unpack
local HUGE = math.huge
local DAY_MS, IST_MS = 86400000, 19800000
-- Added to the phase of a look that was begun and not finished, at the first tick of a day.
local OPENING = 4

-- When the Indian day of a time ends.
function instrument.day_ends_ms(time_ms)
  return (math.floor((time_ms + IST_MS) / DAY_MS) + 1) * DAY_MS - IST_MS
end

local function make(prefix, token, state_key, state)
  local price, time, above, below, wake, lowest, highest, up, down, arms = 0, 0, HUGE, 0, 0, HUGE, 0, HUGE, HUGE, 0
  local previous, phase, lows, lows_e4, lows_bytes, highs, highs_e4 = 0, 0, 0, 0, 0, 0, HUGE
  if state then
    price, time, above, below, wake, lowest, highest, up, down, arms, previous, phase,
      lows, lows_e4, lows_bytes, highs, highs_e4 = unpack_state(STATE, state)
  end
  return {
    prefix = prefix, token = token, key = prefix .. "instrument:" .. token, state_key = state_key,
    -- The newest tick; price 0 before the first.
    price_e4 = price, time_ms = time,
    -- Time of the next full look, whatever the price.
    above_e4 = above, below_e4 = below, wake_ms = wake,
    -- Extremes since the last full look, and the smallest armed percents.
    lowest_e4 = lowest, highest_e4 = highest, up_e2 = up, down_e2 = down,
    -- How many times trailing rules were given their first extreme.
    arms = arms,
    -- The price before the newest, and how far the newest tick's look has come; 0 is done.
    previous_e4 = previous, phase = phase % OPENING,
    -- Whether the newest tick is the first of its day, while it is looked at.
    opens_day = phase >= OPENING,
    lows = {
      noun = "lows", spilled = lows, tail_e4 = lows_e4, tail = state and state:sub(TAILS, TAILS + lows_bytes - 1) or "",
    },
    highs = { noun = "highs", spilled = highs, tail_e4 = highs_e4, tail = state and state:sub(TAILS + lows_bytes) or "" },
    shown_above_e4 = above, shown_below_e4 = below,
  }
end

local function packed(self)
  local lows, highs = self.lows, self.highs
  local phase = self.phase > 0 and self.opens_day and self.phase + OPENING or self.phase
  return pack(STATE, self.price_e4, self.time_ms, self.above_e4, self.below_e4, self.wake_ms, self.lowest_e4, self.highest_e4,
    self.up_e2, self.down_e2, self.arms, self.previous_e4, phase,
    lows.spilled, lows.tail_e4, #lows.tail, highs.spilled, highs.tail_e4) .. lows.tail .. highs.tail
end

-- The instrument as stored; one that was never seen starts empty.
function instrument.load(prefix, token)
  local state_key = prefix .. "state:" .. token
  return make(prefix, token, state_key, call("GET", state_key))
end

-- A table by token. At most some thousands: they go through unpack.
function instrument.load_all(prefix, tokens)
  if #tokens == 0 then return {} end
  local keys, loaded = {}, {}
  for i = 1, #tokens do keys[i] = prefix .. "state:" .. tokens[i] end
  local states = call("MGET", unpack(keys))
  for i = 1, #tokens do loaded[tokens[i]] = make(prefix, tokens[i], keys[i], states[i]) end
  return loaded
end

function instrument.save(self)
  call("SET", self.state_key, packed(self))
end

-- Writes the instruments that took a tick: the hash for readers, and their states together with the cursor.
function instrument.save_all(tokens, loaded, cursor_key, cursor)
  local values = { cursor_key, cursor }
  local time_ms, time
  for i = 1, #tokens do
    local self = loaded[tokens[i]]
    if self.price_text then
      values[#values + 1], values[#values + 2] = self.state_key, packed(self)
      -- Kite's times are whole seconds: neighbours mostly have the same.
      if self.time_ms ~= time_ms then time_ms, time = self.time_ms, format("%d", self.time_ms) end
      if self.above_e4 == self.shown_above_e4 and self.below_e4 == self.shown_below_e4 then
        call("HSET", self.key, "price", self.price_text, "time", time)
      else
        call("HSET", self.key, "price", self.price_text, "time", time,
          "above", self.above_e4 < HUGE and number.price_text(self.above_e4) or "",
          "below", self.below_e4 > 0 and number.price_text(self.below_e4) or "")
      end
    end
  end
  call("MSET", unpack(values))
end

return instrument
