-- Hold an activity for an outcome that is being appended; a dead holder is followed by the reaper.
local verb, places, states, lease, holder, items = unpack(cmsgpack.unpack(ARGV[1]))

local function from_cold(cold, body)
  return {
    v = cold[6], d = cold[6], s = 'cold', st = cold[1], t = cold[2], p = cold[3], b = string.sub(cold[5], 1, 1),
    pt = cold[4], ad = cold[5], rc = cold[7], at = cold[8], o = now, x = body,
  }
end

local function hold(id, a)
  local was = a.s
  local said = {id, 0, a.pt, a.ad, a.rc, a.at or 0, a.w or '', a.c or 0, a.p or 0, a.st}
  if was ~= 'gone' and was ~= 'cold' then unplace(id, a, false) end
  a.v, a.s, a.verb, a.tk, a.ls = draw(), 'settling', verb, holder, a.st
  said[2] = a.v
  zset(K .. 'leases', id, now + lease)
  put(id, a)
  return said
end
