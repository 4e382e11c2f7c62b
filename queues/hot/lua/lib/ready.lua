-- Where a live activity waits: s is 'ready' (claimable), 'due', 'pend' (for members or a signal), 'lane' (behind its
-- head), 'limit:{key}' (for a place), 'leased' or 'settling' (held).
local BANDS = {'c', 'h', 'n', 'l'}
local TIME_BITS, PRIORITY_BITS = 2 ^ 43, 2 ^ 44
local woke = false

-- Priority first, then what ran before, then time: exact in the 53 bits of a score until the year 2248.
local function order_of(a, at)
  local again = (a.d > 0) and 0 or TIME_BITS
  return (100 - a.p) * PRIORITY_BITS + again + at
end

local function make_ready(id, a)
  a.s, a.st = 'ready', 'available'
  local set = K .. 'ready:' .. a.b .. ':' .. a.t
  if redis.call('ZADD', set, a.o, id) == 1 and redis.call('ZCARD', set) == 1 then
    redis.call('SADD', K .. 'types', a.b .. ':' .. a.t)
  end
  woke = true
end

local function wake()
  if woke then redis.call('PUBLISH', K .. 'wake', '') end
end
