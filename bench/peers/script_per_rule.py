"""The usual way with Lua: one script call per (tick, rule), and one per (tick, window) that keeps the window's extremes.

Fairness: pipelined over many ticks, called by SHA1, windows kept as monotonic deques and shared by the rules, no place in the
stream is saved.
"""

from collections.abc import Iterable

from redis.asyncio import Redis

from bench.peers.records import PeerRule

CALLS_A_PIPELINE = 1_000
TICKS_A_READ = 500

# KEYS lows, highs, extremes; ARGV window, price, time. A deque is a list of "price time".
WINDOW = """
local window_ms, price, time = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local known = redis.call("HGET", KEYS[3], "time")
if known then time = math.max(time, tonumber(known)) end
local function push(key, is_beaten)
  local tail = redis.call("LINDEX", key, -1)
  while tail and is_beaten(tonumber(tail:match("^%d+"))) do
    redis.call("RPOP", key)
    tail = redis.call("LINDEX", key, -1)
  end
  redis.call("RPUSH", key, string.format("%d %d", price, time))
  local head = redis.call("LINDEX", key, 0)
  while tonumber(head:match("%d+$")) <= time - window_ms do
    redis.call("LPOP", key)
    head = redis.call("LINDEX", key, 0)
  end
  return head:match("^%d+")
end
local low = push(KEYS[1], function(other) return other >= price end)
local high = push(KEYS[2], function(other) return other <= price end)
redis.call("HSET", KEYS[3], "low", low, "high", high, "time", string.format("%d", time))
"""

# KEYS rule, extremes of its window or of its instrument's clock, alerts; ARGV rule, price, time.
CHECK = """
local id, price, time = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local rule = redis.call("HMGET", KEYS[1], "direction", "percent", "window", "once", "cooldown", "state", "ready", "low", "high")
local direction, percent, window, state = rule[1], tonumber(rule[2]), rule[3], rule[6]
local extremes = redis.call("HMGET", KEYS[2], "low", "high", "time")
if extremes[3] then time = math.max(time, tonumber(extremes[3])) end
local low, high = tonumber(rule[8]), tonumber(rule[9])
if state == "spent" then return end
if state ~= "armed" then
  if time < tonumber(rule[7]) then return end
  redis.call("HSET", KEYS[1], "state", "armed")
  low, high = price, price
  if window == "0" then redis.call("HSET", KEYS[1], "low", price, "high", price) end
end
if window ~= "0" then
  low, high = tonumber(extremes[1]), tonumber(extremes[2])
else
  if price < low then low = price; redis.call("HSET", KEYS[1], "low", price) end
  if price > high then high = price; redis.call("HSET", KEYS[1], "high", price) end
end
local side, reference
if direction ~= "down" and price * 10000 >= low * (10000 + percent) then
  side, reference = "up", low
elseif direction ~= "up" and price * 10000 <= high * (10000 - percent) then
  side, reference = "down", high
else
  return
end
redis.call("HSET", KEYS[1], "state", rule[4] == "1" and "spent" or "cooling",
  "ready", string.format("%d", time + tonumber(rule[5])))
redis.call("XADD", KEYS[3], "*", "time_ms", string.format("%d", time), "rule", id, "direction", side,
  "price_e4", string.format("%d", price), "reference_e4", string.format("%d", reference))
"""

# An instrument without windows needs a clock for late ticks all the same.
CLOCK_MS = 1


class ScriptPerRule:
    def __init__(self, redis: Redis, ticks: str, alerts: str) -> None:
        self._redis = redis
        self.ticks, self._alerts = ticks, alerts
        self._cursor = "0-0"
        self._rules: dict[int, list[tuple[str, int]]] = {}
        self._windows: dict[int, set[int]] = {}

    async def arm(self, rules: Iterable[PeerRule]) -> None:
        self._window = await self._redis.script_load(WINDOW)
        self._check = await self._redis.script_load(CHECK)
        pipe = self._redis.pipeline(transaction=False)
        for rule in sorted(rules):
            window_ms = rule.window_ms or CLOCK_MS
            self._rules.setdefault(rule.token, []).append((rule.id, window_ms))
            self._windows.setdefault(rule.token, set()).add(window_ms)
            pipe.hset(
                f"rule:{rule.id}",
                mapping={
                    "direction": rule.direction,
                    "percent": rule.percent_e2,
                    "window": rule.window_ms,
                    "once": int(rule.is_once),
                    "cooldown": rule.cooldown_ms,
                    "state": "waiting",
                    "ready": rule.armed_at_ms,
                },
            )
            if len(pipe) >= CALLS_A_PIPELINE:
                await pipe.execute()
        await pipe.execute()

    async def drain(self) -> None:
        """Takes every tick that is in the stream."""
        pipe = self._redis.pipeline(transaction=False)
        while entries := await self._redis.xrange(self.ticks, min=f"({self._cursor}", count=TICKS_A_READ):
            for _, fields in entries:
                token, price, time = int(fields["token"]), str(round(float(fields["price"]) * 10_000)), fields["time"]
                for window in self._windows.get(token, ()):
                    keys = f"lows:{token}:{window}", f"highs:{token}:{window}", f"extremes:{token}:{window}"
                    pipe.evalsha(self._window, 3, *keys, str(window), price, time)
                for rule, window in self._rules.get(token, ()):
                    pipe.evalsha(self._check, 3, f"rule:{rule}", f"extremes:{token}:{window}", self._alerts, rule, price, time)
                    if len(pipe) >= CALLS_A_PIPELINE:
                        await pipe.execute()
            self._cursor = str(entries[-1][0])
        await pipe.execute()
