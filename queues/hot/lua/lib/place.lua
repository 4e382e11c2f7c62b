-- Put a live activity where its state says, and take it out again.
local function place(id, a, state)
  if a.ex then zset(K .. 'exp', id, a.ex) end
  if state == 'pending' then
    a.s, a.st = 'pend', state
    zset(K .. 'pend', id, now)
  elseif (a.du or 0) > now then
    a.s, a.st = 'due', state
    zset(K .. 'due', id, a.du)
    -- A head that waits for its retry keeps the lane, also when the lane is rebuilt around it.
    if a.k and state == 'retryable' then join_lane(id, a) end
  else
    enter(id, a)
  end
end

-- Take a live activity out of wherever it waits or is held; its lane is left only when it is settled.
local function unplace(id, a, settled)
  if a.s == 'leased' or a.s == 'settling' then
    zdrop(K .. 'leases', id)
  elseif a.s == 'ready' then
    zdrop(K .. 'ready:' .. a.b .. ':' .. a.t, id)
  elseif a.s == 'due' or a.s == 'pend' then
    zdrop(K .. a.s, id)
  elseif string.sub(a.s, 1, 6) == 'limit:' then
    redis.call('ZREM', K .. 'limw:' .. string.sub(a.s, 7), id)
  end
  if a.ex then zdrop(K .. 'exp', id) end
  if a.l then release_limits(id, a) end
  if a.k and settled then next_in_lane(a.k, id) end
end
