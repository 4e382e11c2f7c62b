-- Lease one ready activity, if its limits have room.
local call, most, lease, worker, types = unpack(cmsgpack.unpack(ARGV[1]))
local deadline = now + lease
local leases, bodies = {}, {}

local function answer(id, a)
  leases[#leases + 1] = {id, a.v, a.sv, a.at, a.pt, a.ad, a.rc}
  bodies[#bodies + 1] = a.x
end

local function has_room(id, a)
  for _, limit in ipairs(a.l or {}) do
    if redis.call('SCARD', K .. 'lim:' .. limit[1]) >= limit[2] then
      a.s = 'limit:' .. limit[1]
      redis.call('ZADD', K .. 'limw:' .. limit[1], a.o, id)
      put(id, a)
      for _, other in ipairs(a.l) do pass_on(other) end
      return false
    end
  end
  for _, limit in ipairs(a.l or {}) do redis.call('SADD', K .. 'lim:' .. limit[1], id) end
  return true
end

local function lease_one(id)
  local a = get(id)
  if not a or a.s ~= 'ready' or (a.ex and a.ex <= now) or not has_room(id, a) then return end
  a.v, a.sv = draw(), draw()
  a.s, a.st, a.tk, a.w, a.c, a.at = 'leased', 'active', call, worker, now, (a.at or 0) + 1
  zset(K .. 'leases', id, deadline)
  put(id, a)
  answer(id, a)
end
