-- Writes to sorted sets, gathered: one command a set at the script's end instead of one an activity. The last word on
-- a member counts. Whoever reads such a set in the same script must read it before.
local gathered = {}

local function zset(set, member, score)
  local changes = gathered[set]
  if not changes then changes = {}; gathered[set] = changes end
  changes[member] = score
end

local function zdrop(set, member) zset(set, member, false) end

local function write_set(set, changes)
  local added, dropped = {}, {}
  for member, score in pairs(changes) do
    if score then
      added[#added + 1] = score
      added[#added + 1] = member
    else
      dropped[#dropped + 1] = member
    end
  end
  for from = 1, #dropped, 1000 do
    redis.call('ZREM', set, unpack(dropped, from, math.min(from + 999, #dropped)))
  end
  for from = 1, #added, 1000 do
    redis.call('ZADD', set, unpack(added, from, math.min(from + 999, #added)))
  end
end

local function write_sets()
  for set, changes in pairs(gathered) do write_set(set, changes) end
end
