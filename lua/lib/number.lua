-- Prices and percents as exact integers: rupees x 10,000 and percent x 100. All comparisons are made on these.
--
-- With price at most 8e10 and percent at most 1e5 every product below stays under 2^53, so doubles hold it exactly.
local number = {}

local PRICE_MAX_E4 = 80000000000
local UNITS_MS = { { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 } }
local floor, format = math.floor, string.format

-- Decimal rupees to integer rupees x 10,000; nil when the text is not a positive price with at most four decimals.
function number.price_e4(text)
  if not text:find("^%d+%.?%d*$") then return nil end
  local scaled = tonumber(text) * 10000
  local price_e4 = floor(scaled + 0.5)
  if price_e4 <= 0 or price_e4 > PRICE_MAX_E4 or math.abs(scaled - price_e4) > 0.001 then return nil end
  return price_e4
end

-- Integer rupees x 10,000 to decimal rupees with two decimals, or as many as it has.
function number.price_text(price_e4)
  local rupees = floor(price_e4 / 10000)
  local rest = price_e4 - rupees * 10000
  if rest % 100 == 0 then return format("%d.%02d", rupees, rest / 100) end
  return (format("%d.%04d", rupees, rest):gsub("0$", ""))
end

-- 235 to "2.35".
function number.percent_text(percent_e2)
  return format("%d.%02d", floor(percent_e2 / 100), percent_e2 % 100)
end

-- "2.35" to 235, also without decimals.
function number.percent_e2(text)
  return floor(tonumber(text) * 100 + 0.5)
end

-- 300000 to "300s", as in the streams.
function number.seconds_text(duration_ms)
  if duration_ms % 1000 == 0 then return format("%ds", duration_ms / 1000) end
  return format("%dms", duration_ms)
end

-- 300000 to "5m": the shortest way to write it.
function number.duration_text(duration_ms)
  for _, unit in ipairs(UNITS_MS) do
    if duration_ms % unit[2] == 0 and duration_ms >= unit[2] then return format("%d%s", duration_ms / unit[2], unit[1]) end
  end
  return "0s"
end

-- "5m" to 300000; nil for anything else.
function number.duration_ms(text)
  local amount, name = text:match("^(%d+)(%a+)$")
  for _, unit in ipairs(UNITS_MS) do
    if unit[1] == name then return amount * unit[2] end
  end
  return nil
end

-- The largest whole quotient; a / b itself may be rounded to the next integer.
local function quotient(a, b)
  local q = floor(a / b)
  if q * b > a then return q - 1 end
  if (q + 1) * b <= a then return q + 1 end
  return q
end

-- The first price at which a move of percent_e2 from the reference is reached.
function number.threshold_e4(side, reference_e4, percent_e2)
  if side == "up" then return -quotient(-reference_e4 * (10000 + percent_e2), 10000) end
  return quotient(reference_e4 * (10000 - percent_e2), 10000)
end

-- How far the price has moved from the reference, in whole hundredths of a percent; every rule up to it fires.
function number.move_e2(side, reference_e4, price_e4)
  local move_e4 = side == "up" and price_e4 - reference_e4 or reference_e4 - price_e4
  return quotient(move_e4 * 10000, reference_e4)
end

return number
