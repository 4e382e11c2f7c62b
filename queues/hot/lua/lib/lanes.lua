-- Lanes and limits: who waits beside the ready set, and who follows when a place is free.
-- A lane's head alone is claimable; it keeps the lane until it is settled.
local function enter(id, a)
  if a.k then
    redis.call('ZADD', K .. 'lane:' .. a.k, a.o, id)
    local head = redis.call('HGET', K .. 'heads', a.k)
    if head and head ~= id then a.s, a.st = 'lane', 'available'; return end
    redis.call('HSET', K .. 'heads', a.k, id)
  end
  make_ready(id, a)
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

local function release_limits(id, a)
  for _, limit in ipairs(a.l or {}) do
    if redis.call('SREM', K .. 'lim:' .. limit[1], id) == 1 then
      local waiting = redis.call('ZPOPMIN', K .. 'limw:' .. limit[1])[1]
      local b = waiting and get(waiting)
      if b and b.s == 'limit:' .. limit[1] then make_ready(waiting, b); put(waiting, b) end
    end
  end
end
