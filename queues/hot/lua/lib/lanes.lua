-- Lanes and limits: who waits beside the ready set, and who follows when a place is free.
-- A lane's head alone is claimable; it keeps the lane until it is settled.
local RANKS = {c = 0, h = 1, n = 2, l = 3}

-- Join the lane, by the order of the log; clocks of enqueuers differ. Tell whether it is the head.
local function join_lane(id, a)
  local order = RANKS[a.b] * 2 ^ 48 + tonumber(string.match(a.ad, '%d+'))
  redis.call('ZADD', K .. 'lane:' .. a.k, order, id)
  if redis.call('HSETNX', K .. 'heads', a.k, id) == 1 then return true end
  return redis.call('HGET', K .. 'heads', a.k) == id
end

local function enter(id, a)
  if a.k and not join_lane(id, a) then
    a.s, a.st = 'lane', 'available'
  else
    make_ready(id, a)
  end
end

local function next_in_lane(key, id)
  redis.call('ZREM', K .. 'lane:' .. key, id)
  if redis.call('HGET', K .. 'heads', key) ~= id then return end
  local head = redis.call('ZRANGE', K .. 'lane:' .. key, 0, 0)[1]
  if not head then redis.call('HDEL', K .. 'heads', key); return end
  redis.call('HSET', K .. 'heads', key, head)
  local a = get(head)
  if a and a.s == 'lane' then make_ready(head, a); put(head, a) end
end

-- Let one that waits for a place try again, where there is one: whoever was let in before may not have taken it.
local function pass_on(limit)
  if redis.call('SCARD', K .. 'lim:' .. limit[1]) >= limit[2] then return end
  while true do
    local waiting = redis.call('ZPOPMIN', K .. 'limw:' .. limit[1])[1]
    if not waiting then return end
    local b = get(waiting)
    if b and b.s == 'limit:' .. limit[1] then make_ready(waiting, b); put(waiting, b); return end
  end
end

local function release_limits(id, a)
  for _, limit in ipairs(a.l) do
    redis.call('SREM', K .. 'lim:' .. limit[1], id)
    pass_on(limit)
  end
end
