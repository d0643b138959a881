-- The state of one instrument: read once a batch, written once a batch, legible in redis-cli.
--
--   symbol        such as NSE:INFY
--   price, time   the newest tick
--   above, below  the band: between them no armed rule can fire; empty when no rule looks that way
--   tick          stream id of the newest tick, so that no tick counts twice
--   wake          time of the next full look, whatever the price
--   lowest, highest       extremes since the last full look
--   up_e2, down_e2        smallest armed percents, x 100
--   lows, highs           records in the two deques; *_tail is the newest record's price
--   arms          how many cohorts of trailing rules were ever made
--   window 300s   extremes of a window that has rules, as of the last full look
local number = require("lib.number")

local instrument = {}

local FIELDS = {
  "symbol", "price", "time", "above", "below", "tick", "wake", "lowest", "highest",
  "up_e2", "down_e2", "lows", "lows_tail", "highs", "highs_tail", "arms",
}
local price_text = number.price_text
local call = redis.call

-- What this file wrote itself needs no check.
local function price_or_nil(text)
  return text and text ~= "" and math.floor(tonumber(text) * 10000 + 0.5) or nil
end

local function deque(key, count, tail)
  local tail_text = tail and tail ~= "" and tail or nil
  return { key = key, count = tonumber(count or 0), tail_text = tail_text, tail_e4 = price_or_nil(tail_text) }
end

-- The instrument as stored; one that was never seen starts empty.
function instrument.load(prefix, token)
  local key = prefix .. "instrument:" .. token
  local v = call("HMGET", key, unpack(FIELDS))
  local self = {
    key = key, prefix = prefix, token = token, stored = v,
    symbol = v[1] or "",
    price_text = v[2] or nil, price_e4 = price_or_nil(v[2]), time_ms = tonumber(v[3] or 0),
    above_e4 = price_or_nil(v[4]) or math.huge, below_e4 = price_or_nil(v[5]) or -1,
    tick = v[6] or nil, wake_ms = tonumber(v[7] or 0),
    lowest_e4 = price_or_nil(v[8]) or math.huge, highest_e4 = price_or_nil(v[9]) or -1,
    up_e2 = tonumber(v[10] or "") or math.huge, down_e2 = tonumber(v[11] or "") or math.huge,
    arms = tonumber(v[16] or 0),
  }
  self.lows = deque(prefix .. "lows:" .. token, v[12], v[13])
  self.highs = deque(prefix .. "highs:" .. token, v[14], v[15])
  self.lowest_text, self.highest_text = v[8], v[9]
  self.above_text, self.below_text = v[4] or "", v[5] or ""
  return self
end

local function finite(value)
  return value < math.huge and string.format("%d", value) or ""
end

local function tail(self)
  return self.tail_text or self.tail_e4 and price_text(self.tail_e4) or ""
end

-- Writes the fields that changed since `load`.
function instrument.save(self)
  local now = {
    self.symbol, self.price_text or "", string.format("%d", self.time_ms), self.above_text, self.below_text,
    self.tick or "", finite(self.wake_ms), self.lowest_text or "", self.highest_text or "",
    finite(self.up_e2), finite(self.down_e2),
    string.format("%d", self.lows.count), tail(self.lows), string.format("%d", self.highs.count), tail(self.highs),
    string.format("%d", self.arms),
  }
  local changed, n = {}, 0
  for i = 1, #FIELDS do
    if now[i] ~= (self.stored[i] or "") then
      changed[n + 1], changed[n + 2] = FIELDS[i], now[i]
      n = n + 2
    end
  end
  if n > 0 then call("HSET", self.key, unpack(changed)) end
  self.stored = now
end

function instrument.set_band(self, above_e4, below_e4)
  self.above_e4, self.below_e4 = above_e4, below_e4
  self.above_text = above_e4 < math.huge and price_text(above_e4) or ""
  self.below_text = below_e4 > 0 and price_text(below_e4) or ""
end

return instrument
