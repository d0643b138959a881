-- Changes to sorted sets of rules, gathered and written in bulk: a tick that fires a thousand rules takes each index once.
local index = {}

local call = redis.call
-- Values of one command: unpack fails on some thousands.
local CHUNK = 2000

local function gather(self, pool, key, ...)
  self[pool] = self[pool] or {}
  local values = self[pool][key] or {}
  self[pool][key] = values
  for _, value in ipairs({ ... }) do values[#values + 1] = value end
end

function index.write(command, key, values)
  for first = 1, #values, CHUNK do
    call(command, key, unpack(values, first, math.min(first + CHUNK - 1, #values)))
  end
end

function index.add(self, key, score, id)
  gather(self, "added", key, score, id)
end

function index.remove(self, key, id)
  gather(self, "removed", key, id)
end

-- No rule is added and removed between two flushes.
function index.flush(self)
  for key, values in pairs(self.removed or {}) do index.write("ZREM", key, values) end
  for key, values in pairs(self.added or {}) do index.write("ZADD", key, values) end
  self.added, self.removed = nil, nil
end

return index
