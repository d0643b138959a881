-- The state of one instrument: read and written once a batch, with all other instruments of the batch.
--
-- The engine's own numbers are one string of doubles, `state:<token>`, because a script that parses and formats decimals spends
-- most of its time on that. People read the hash `instrument:<token>`, written with it:
--   symbol        such as NSE:INFY
--   price, time   the newest tick
--   above, below  the band: between them no armed rule can fire; empty when no rule looks that way
--   window 300s   extremes of a window that has rules, at the time of the last full look
local number = require("lib.number")

local instrument = {}

local STATE = ">" .. ("d"):rep(16)
local call, format = redis.call, string.format
local pack, unpack_state = struct.pack, struct.unpack
local HUGE = math.huge

local function state_key(prefix, token)
  return prefix .. "state:" .. token
end

local function make(prefix, token, state)
  local price, time, above, below, wake, lowest, highest, up, down, lows, lows_tail, highs, highs_tail, arms, ms, seq
  if state then
    price, time, above, below, wake, lowest, highest, up, down, lows, lows_tail, highs, highs_tail, arms, ms, seq =
      unpack_state(STATE, state)
  else
    price, time, above, below, wake, lowest, highest, up, down = 0, 0, HUGE, 0, 0, HUGE, 0, HUGE, HUGE
    lows, lows_tail, highs, highs_tail, arms, ms, seq = 0, 0, 0, HUGE, 0, 0, 0
  end
  return {
    prefix = prefix, token = token, key = prefix .. "instrument:" .. token,
    -- The newest tick; price 0 before the first.
    price_e4 = price, time_ms = time,
    -- Time of the next full look, whatever the price.
    above_e4 = above, below_e4 = below, wake_ms = wake,
    -- Extremes since the last full look, and the smallest armed percents.
    lowest_e4 = lowest, highest_e4 = highest, up_e2 = up, down_e2 = down,
    lows = { key = prefix .. "lows:" .. token, count = lows, tail_e4 = lows_tail },
    highs = { key = prefix .. "highs:" .. token, count = highs, tail_e4 = highs_tail },
    -- How many times trailing rules were given their first extreme.
    arms = arms,
    -- Stream id of the newest tick, so that none counts twice.
    tick_ms = ms, tick_seq = seq,
    shown_above_e4 = above, shown_below_e4 = below,
    -- Changes to the indexes that are not written yet; see index, moves and trailing.
    added = {}, removed = {}, touched = {}, thinned = {},
  }
end

local function packed(self)
  return pack(STATE, self.price_e4, self.time_ms, self.above_e4, self.below_e4, self.wake_ms, self.lowest_e4, self.highest_e4,
    self.up_e2, self.down_e2, self.lows.count, self.lows.tail_e4, self.highs.count, self.highs.tail_e4, self.arms,
    self.tick_ms, self.tick_seq)
end

-- The instrument as stored; one that was never seen starts empty.
function instrument.load(prefix, token)
  return make(prefix, token, call("GET", state_key(prefix, token)))
end

-- True, once, for every stream id after the last one that counted.
function instrument.is_new(self, id)
  local ms_text, seq_text = id:match("^(%d+)-(%d+)$")
  local ms, seq = tonumber(ms_text), tonumber(seq_text)
  if ms < self.tick_ms or (ms == self.tick_ms and seq <= self.tick_seq) then return false end
  self.tick_ms, self.tick_seq = ms, seq
  return true
end

-- A table by token. At most some thousands: they go through unpack.
function instrument.load_all(prefix, tokens)
  if #tokens == 0 then return {} end
  local keys, loaded = {}, {}
  for i, token in ipairs(tokens) do keys[i] = state_key(prefix, token) end
  for i, state in ipairs(call("MGET", unpack(keys))) do loaded[tokens[i]] = make(prefix, tokens[i], state) end
  return loaded
end

function instrument.save(self)
  call("SET", state_key(self.prefix, self.token), packed(self))
end

-- Writes the instruments that took a tick: their state, and the hash for readers.
function instrument.save_all(prefix, tokens, loaded)
  local states = {}
  for i = 1, #tokens do
    local self = loaded[tokens[i]]
    if self.price_text then
      states[#states + 1], states[#states + 2] = state_key(prefix, self.token), packed(self)
      local time = format("%d", self.time_ms)
      if self.above_e4 == self.shown_above_e4 and self.below_e4 == self.shown_below_e4 then
        call("HSET", self.key, "price", self.price_text, "time", time)
      else
        call("HSET", self.key, "price", self.price_text, "time", time,
          "above", self.above_e4 < HUGE and number.price_text(self.above_e4) or "",
          "below", self.below_e4 > 0 and number.price_text(self.below_e4) or "")
      end
    end
  end
  if #states > 0 then call("MSET", unpack(states)) end
end

return instrument
