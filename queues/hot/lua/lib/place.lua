-- Put a live activity where its state says, and take it out again.
local function place(id, a, state)
  if a.ex then redis.call('ZADD', K .. 'exp', a.ex, id) end
  if state == 'pending' then
    a.s, a.st = 'pend', state
    redis.call('ZADD', K .. 'pend', now, id)
  elseif (a.du or 0) > now then
    a.s, a.st = 'due', state
    redis.call('ZADD', K .. 'due', a.du, id)
  else
    enter(id, a)
  end
end

-- Take a live activity out of wherever it waits or is held; its lane is left only when it is settled.
local function unplace(id, a, settled)
  if a.s == 'leased' or a.s == 'settling' then
    redis.call('ZREM', K .. 'leases', id)
  elseif a.s == 'ready' then
    redis.call('ZREM', K .. 'ready:' .. a.b .. ':' .. a.t, id)
  elseif a.s == 'due' or a.s == 'pend' then
    redis.call('ZREM', K .. a.s, id)
  elseif string.sub(a.s, 1, 6) == 'limit:' then
    redis.call('ZREM', K .. 'limw:' .. string.sub(a.s, 7), id)
  end
  if a.ex then redis.call('ZREM', K .. 'exp', id) end
  if a.l then release_limits(id, a) end
  if a.k and settled then next_in_lane(a.k, id) end
end
