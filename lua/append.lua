#!lua
-- Appends a batch of ticks to the shard's stream: all of them, and once, also when it is sent again because the reply was lost.
--
-- KEYS     ticks     stream of the shard
--          appended  number of the publisher's newest batch
-- ARGV     batch     number of this batch; those of a publisher rise
--          after     number that must be there before it; empty for any
--          keep      seconds for which the number is remembered
--          most      entries that the stream keeps, approximately: the last resort when no evaluator trims it
--          fields... token, price, time and via of each tick in turn; an empty via is left out
-- Returns  appended:int  ticks that were; 0 when the batch was there, -1 when the one before it is not
local ticks, appended = KEYS[1], KEYS[2]
local batch, after, keep_s, most = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local FIRST, FIELDS = 5, 4
local call = redis.call

local newest = call("GET", appended)
if newest == batch then return 0 end
if after ~= "" and newest ~= after then return -1 end
for i = FIRST, #ARGV, FIELDS do
  local token, price, time, via = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  if via == "" then
    call("XADD", ticks, "MAXLEN", "~", most, "*", "token", token, "price", price, "time", time)
  else
    call("XADD", ticks, "MAXLEN", "~", most, "*", "token", token, "price", price, "time", time, "via", via)
  end
end
call("SET", appended, batch, "EX", keep_s)
return (#ARGV - FIRST + 1) / FIELDS
