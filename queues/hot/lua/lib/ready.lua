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
  local name = a.b .. ':' .. a.t
  if not woke then woke = {} end
  woke[name] = true
  zset(K .. 'ready:' .. name, id, a.o)
end

-- Write what was gathered and wake whoever waits for work; every script that places activities ends with it.
local function finish()
  write_sets()
  if not woke then return end
  for name in pairs(woke) do redis.call('SADD', K .. 'types', name) end
  redis.call('PUBLISH', K .. 'wake', '')
end
