-- One history for all windows: the lows and the highs of an instrument as two monotonic deques.
--
-- A deque is a string of records (price x 10,000 and time in ms, two doubles each), oldest first: prices rise along the lows
-- and fall along the highs. A price that a later one beats can never be an extreme again, so it is dropped when beaten: each
-- tick is pushed once and popped at most once. The newest tick is kept in the instrument itself and joins a deque when the
-- next tick differs. Bytes behind the count are leftovers of popped records.
local history = {}

-- The longest window plus nothing: what is older can be no window's extreme.
local HORIZON_MS = 86400000
local RECORD_BYTES = 16
-- Records read at once when popping; most pops end within the first few.
local CHUNK = 8
-- No price reaches them, so an empty deque pops nothing.
local LOWS_EMPTY_E4, HIGHS_EMPTY_E4 = 0, math.huge
local call, max = redis.call, math.max
local pack, unpack_record = struct.pack, struct.unpack

local function append(deque, price_e4, time_ms)
  call("SETRANGE", deque.key, deque.count * RECORD_BYTES, pack(">dd", price_e4, time_ms))
  deque.count = deque.count + 1
  deque.tail_e4 = price_e4
end

-- Reads the last records and drops those that the price beats; `empty_e4` is the tail of an empty deque.
local function pop_beaten(deque, price_e4, is_beaten, empty_e4)
  while deque.count > 0 do
    local first = max(deque.count - CHUNK, 0)
    local chunk = call("GETRANGE", deque.key, first * RECORD_BYTES, deque.count * RECORD_BYTES - 1)
    for i = deque.count - first - 1, 0, -1 do
      local tail_e4 = unpack_record(">d", chunk, i * RECORD_BYTES + 1)
      if not is_beaten(tail_e4, price_e4) then
        deque.tail_e4 = tail_e4
        return
      end
      deque.count = deque.count - 1
    end
  end
  deque.tail_e4 = empty_e4
end

local function is_at_least(a, b) return a >= b end
local function is_at_most(a, b) return a <= b end

-- Adds a tick of the price; the instrument still holds the newest tick before it, whose time is not later.
function history.push(self, price_e4)
  local last_e4, lows, highs = self.price_e4, self.lows, self.highs
  if last_e4 == 0 or price_e4 == last_e4 then return end
  if price_e4 > last_e4 then
    append(lows, last_e4, self.time_ms)
    if highs.tail_e4 <= price_e4 then pop_beaten(highs, price_e4, is_at_most, HIGHS_EMPTY_E4) end
  else
    append(highs, last_e4, self.time_ms)
    if lows.tail_e4 >= price_e4 then pop_beaten(lows, price_e4, is_at_least, LOWS_EMPTY_E4) end
  end
end

-- Index of the first record after since_ms; the count when there is none.
local function first_after(records, count, since_ms)
  local low, high = 0, count
  while low < high do
    local middle = math.floor((low + high) / 2)
    if unpack_record(">d", records, middle * RECORD_BYTES + 9) > since_ms then high = middle else low = middle + 1 end
  end
  return low
end

-- Drops what is older than the horizon once it is half of the deque, so each record is copied at most once.
local function drop_expired(deque, now_ms, empty_e4)
  local first = first_after(deque.records, deque.count, now_ms - HORIZON_MS)
  if first == 0 or first * 2 < deque.count then return end
  deque.records = deque.records:sub(first * RECORD_BYTES + 1, deque.count * RECORD_BYTES)
  deque.count = deque.count - first
  if deque.count == 0 then
    deque.tail_e4 = empty_e4
    call("DEL", deque.key)
  else
    call("SET", deque.key, deque.records)
  end
end

local function open(deque, now_ms, empty_e4)
  deque.records = deque.count > 0 and call("GETRANGE", deque.key, 0, deque.count * RECORD_BYTES - 1) or ""
  drop_expired(deque, now_ms, empty_e4)
end

-- Reads both deques for `extreme`, once for all windows of a look.
function history.open(self)
  open(self.lows, self.time_ms, LOWS_EMPTY_E4)
  open(self.highs, self.time_ms, HIGHS_EMPTY_E4)
end

-- The extreme of the ticks in (now - window, now]; price_e4 is the newest tick's, which is always among them.
function history.extreme(deque, window_ms, now_ms, price_e4)
  local first = first_after(deque.records, deque.count, now_ms - window_ms)
  if first == deque.count then return price_e4 end
  return (unpack_record(">d", deque.records, first * RECORD_BYTES + 1))
end

return history
