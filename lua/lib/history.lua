-- One history for all windows: the lows and the highs of an instrument as two monotonic deques.
--
-- A deque is a string of records (price x 10,000 and time in ms, two doubles each), oldest first: prices rise along the lows
-- and fall along the highs. A price that a later one beats can never be an extreme again, so it is dropped when beaten: each
-- tick is pushed once and popped at most once. The newest tick is kept in the instrument itself and joins a deque when the
-- next tick differs. Nearly all happens at the end of a deque, so its newest records lie in the instrument's state; older ones
-- are spilled into a key of the deque's own, whose bytes behind the count of spilled records are leftovers.
local history = {}

-- The longest window plus nothing: what is older can be no window's extreme.
local HORIZON_MS = 86400000
local RECORD_BYTES = 16
-- Records that the state holds at most, and how many are spilled, or fetched back, at once.
local TAIL_MAX, CHUNK = 24, 12
-- No price reaches them, so an empty deque pops nothing.
local LOWS_EMPTY_E4, HIGHS_EMPTY_E4 = 0, math.huge
local call, max = redis.call, math.max
local pack, unpack_record = struct.pack, struct.unpack

local function key_of(self, deque)
  return self.prefix .. deque.noun .. ":" .. self.token
end

local function append(self, deque, price_e4, time_ms)
  local tail = deque.tail .. pack(">dd", price_e4, time_ms)
  if #tail > TAIL_MAX * RECORD_BYTES then
    call("SETRANGE", key_of(self, deque), deque.spilled * RECORD_BYTES, tail:sub(1, CHUNK * RECORD_BYTES))
    deque.spilled = deque.spilled + CHUNK
    tail = tail:sub(CHUNK * RECORD_BYTES + 1)
  end
  deque.tail, deque.tail_e4 = tail, price_e4
end

-- Drops the last records that the price beats; `empty_e4` is the tail price of an empty deque.
local function pop_beaten(self, deque, price_e4, is_beaten, empty_e4)
  local tail = deque.tail
  local last = #tail
  while true do
    while last > 0 do
      local tail_e4 = unpack_record(">d", tail, last - RECORD_BYTES + 1)
      if not is_beaten(tail_e4, price_e4) then
        deque.tail, deque.tail_e4 = tail:sub(1, last), tail_e4
        return
      end
      last = last - RECORD_BYTES
    end
    if deque.spilled == 0 then break end
    local first = max(deque.spilled - CHUNK, 0)
    tail = call("GETRANGE", key_of(self, deque), first * RECORD_BYTES, deque.spilled * RECORD_BYTES - 1)
    last, deque.spilled = #tail, first
  end
  deque.tail, deque.tail_e4 = "", empty_e4
end

local function is_at_least(a, b) return a >= b end
local function is_at_most(a, b) return a <= b end

-- Adds a tick of the price; the instrument still holds the newest tick before it, whose time is not later.
function history.push(self, price_e4)
  local last_e4, lows, highs = self.price_e4, self.lows, self.highs
  if last_e4 == 0 or price_e4 == last_e4 then return end
  if price_e4 > last_e4 then
    append(self, lows, last_e4, self.time_ms)
    if highs.tail_e4 <= price_e4 then pop_beaten(self, highs, price_e4, is_at_most, HIGHS_EMPTY_E4) end
  else
    append(self, highs, last_e4, self.time_ms)
    if lows.tail_e4 >= price_e4 then pop_beaten(self, lows, price_e4, is_at_least, LOWS_EMPTY_E4) end
  end
end

-- Index of the first record after since_ms; the count when there is none.
local function first_after(records, since_ms)
  local low, high = 0, #records / RECORD_BYTES
  while low < high do
    local middle = math.floor((low + high) / 2)
    if unpack_record(">d", records, middle * RECORD_BYTES + 9) > since_ms then high = middle else low = middle + 1 end
  end
  return low
end

-- Drops what is older than the horizon once it is half of the deque, so each record is copied at most once.
local function drop_expired(self, deque, empty_e4)
  local first = first_after(deque.records, self.time_ms - HORIZON_MS)
  if first == 0 or first * 2 * RECORD_BYTES < #deque.records then return end
  deque.records = deque.records:sub(first * RECORD_BYTES + 1)
  if deque.spilled > first then
    deque.spilled = deque.spilled - first
    call("SET", key_of(self, deque), deque.records:sub(1, deque.spilled * RECORD_BYTES))
  else
    if deque.spilled > 0 then call("DEL", key_of(self, deque)) end
    deque.spilled, deque.tail = 0, deque.records
    if deque.tail == "" then deque.tail_e4 = empty_e4 end
  end
end

local function read(self, deque)
  local spilled = deque.spilled > 0 and call("GETRANGE", key_of(self, deque), 0, deque.spilled * RECORD_BYTES - 1) or ""
  deque.records = spilled .. deque.tail
end

-- Reads both deques for `extreme` and writes nothing: what is too old stays where it is.
function history.peek(self)
  read(self, self.lows)
  read(self, self.highs)
end

-- Reads both deques for `extreme`, once for all windows of a look, and forgets what is too old.
function history.open(self)
  history.peek(self)
  drop_expired(self, self.lows, LOWS_EMPTY_E4)
  drop_expired(self, self.highs, HIGHS_EMPTY_E4)
end

-- The extreme of the ticks in (now - window, now]; price_e4 is the newest tick's, which is always among them.
function history.extreme(deque, window_ms, now_ms, price_e4)
  local first = first_after(deque.records, now_ms - window_ms)
  if first * RECORD_BYTES == #deque.records then return price_e4 end
  return (unpack_record(">d", deque.records, first * RECORD_BYTES + 1))
end

return history
