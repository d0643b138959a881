#!lua flags=no-writes
-- Reads all that the engine keeps of one instrument, at one moment: for a backup, while evaluators run.
--
-- KEYS     instrument  hash
-- ARGV     token       of the instrument
--          rules...    ids of its rules; those that are armed or wait are found without
-- Returns  {key, type, content} for each key that is there, a hash's or sorted set's content as pairs in one list
local instrument_key, token = KEYS[1], ARGV[1]
local prefix = instrument_key:match("^(.*:)instrument:")
local call = redis.call
local READ = {
  string = function(key) return call("GET", key) end,
  hash = function(key) return call("HGETALL", key) end,
  zset = function(key) return call("ZRANGE", key, 0, -1, "WITHSCORES") end,
}
local found = {}

-- The content, empty where there is no such key.
local function export(key)
  local kind = call("TYPE", key).ok
  if not READ[kind] then return {} end
  local content = READ[kind](key)
  found[#found + 1] = { key, kind, content }
  return content
end

local function of(noun, ...)
  return export(prefix .. table.concat({ noun, token, ... }, ":"))
end

local rules = {}
for i = 2, #ARGV do rules[ARGV[i]] = true end
-- A sorted set's members are rules, every other item of a list of pairs.
local function of_rules(...)
  local content = of(...)
  for i = 1, #content, 2 do rules[content[i]] = true end
end

export(instrument_key)
for _, noun in ipairs({ "state", "lows", "highs" }) do of(noun) end
local families = of("families")
for i = 1, #families, 2 do of_rules("moves", families[i]) end
of_rules("pending")
for _, side in ipairs({ "up", "down" }) do
  of_rules("levels", side)
  of_rules("cohort", side, "fresh")
  for _, noun in ipairs({ "extremes", "triggers", "smallest" }) do of(noun, side) end
  local cohorts = of("newest", side)
  for i = 1, #cohorts, 2 do of_rules("cohort", side, cohorts[i]) end
end
for id in pairs(rules) do
  local key = prefix .. "rule:" .. id
  local content = call("HGETALL", key)
  if content[1] then found[#found + 1] = { key, "hash", content } end
end
return found
