-- Lease up to n activities in order (band, priority, retries first, time) among the given types, drawing two versions
-- for each: the claim's, which is the fence, and the settle's to come.
-- include: open room activity sets ready lanes lease
-- KEYS: meta
-- ARGV: {call, most, lease_ms, worker, types (empty: all)}
-- RETURNS: {packed [now, deadline, {id, version, settle version, attempt, partition, address, records}...], body...};
--          the same call again gives the same leases
local function from_one(set)
  local want = most - #leases
  local popped = redis.call('ZPOPMIN', set, want)
  for i = 1, #popped, 2 do lease_one(popped[i]) end
  return #popped / 2 == want and #leases < most
end

local function from_many(sets)
  local lowest, id, at
  for _, set in ipairs(sets) do
    local head = redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')
    local order = tonumber(head[2])
    -- Within one ms, ids tell the order, as they do within a set.
    if order and (not lowest or order < lowest or order == lowest and head[1] < id) then
      lowest, id, at = order, head[1], set
    end
  end
  if at then lease_one(redis.call('ZPOPMIN', at)[1]) end
  return at ~= nil and #leases < most
end

local before = redis.call('GET', K .. 'call:' .. call)
if before then
  for id in string.gmatch(before, '[^ ]+') do
    local a = get(id)
    if a and a.s == 'leased' and a.tk == call then answer(id, a) end
  end
elseif redis.call('HGET', KEYS[1], 'paused') ~= '1' then
  local known = #types == 0 and redis.call('SMEMBERS', K .. 'types')
  for _, band in ipairs(BANDS) do
    local sets = {}
    for _, t in ipairs(known or types) do
      if not known then
        sets[#sets + 1] = K .. 'ready:' .. band .. ':' .. t
      elseif string.sub(t, 1, 1) == band then
        sets[#sets + 1] = K .. 'ready:' .. t
      end
    end
    local step = #sets == 1 and function() return from_one(sets[1]) end or function() return from_many(sets) end
    while #leases < most and step() do end
  end
  save_drawn()
  finish()
  if #leases > 0 then
    local ids = {}
    for i, one in ipairs(leases) do ids[i] = one[1] end
    redis.call('SET', K .. 'call:' .. call, table.concat(ids, ' '), 'PX', lease)
  end
  if #leases < most then redis.call('HSET', KEYS[1], 'hungry', now) end
end
return {cmsgpack.pack({now, deadline, leases}), unpack(bodies)}
