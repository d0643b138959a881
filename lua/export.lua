#!lua flags=no-writes
-- Reads all that the engine keeps of one instrument, at one moment: for a backup, while evaluators run.
--
-- KEYS     instrument  hash
-- ARGV     token       of the instrument
--          rules...    ids of its rules; those that are armed or wait are found without
-- Returns  keys:rows[name,type,content]  what is there; a hash's or sorted set's content is pairs
local rules = require("lib.rules")

local instrument_key, token = KEYS[1], ARGV[1]
local prefix = instrument_key:match("^(.*:)instrument:")
local call = redis.call
local READ = {
  string = function(key) return call("GET", key) end,
  hash = function(key) return call("HGETALL", key) end,
  zset = function(key) return call("ZRANGE", key, 0, -1, "WITHSCORES") end,
}
local exported = {}

-- The content, empty where there is no such key.
local function export(key)
  local kind = call("TYPE", key).ok
  if not READ[kind] then return {} end
  local content = READ[kind](key)
  exported[#exported + 1] = { key, kind, content }
  return content
end

local ids = {}
for i = 2, #ARGV do ids[ARGV[i]] = true end

export(instrument_key)
for _, noun in ipairs({ "state", "lows", "highs" }) do export(prefix .. noun .. ":" .. token) end
rules.each_index({ prefix = prefix, token = token }, function(key, is_of_rules)
  local content = export(key)
  -- A sorted set's members are every other item of a list of pairs.
  for i = 1, is_of_rules and #content or 0, 2 do ids[content[i]] = true end
end)
for id in pairs(ids) do export(rules.key(prefix, id)) end
return exported
