-- Prices and percents as exact integers: rupees x 10,000 and percent x 100. All comparisons are made on these.
--
-- With price at most 8e10 and percent at most 1e5 every product below stays under 2^53, so doubles hold it exactly.
local number = {}

local PRICE_MAX_E4 = 80000000000
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

-- "2.00" to 200.
function number.percent_e2(text)
  return floor(tonumber(text) * 100 + 0.5)
end

-- "300s" or "250ms" to milliseconds; 0 for the empty text.
function number.duration_ms(text)
  local amount, unit = text:match("^(%d+)(m?s)$")
  if not amount then return 0 end
  return unit == "s" and amount * 1000 or tonumber(amount)
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
