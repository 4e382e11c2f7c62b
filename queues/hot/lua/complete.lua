-- List blocked activities whose members have all ended.
-- include: open activity
-- KEYS: meta
-- ARGV: {rank to begin at, most}
-- RETURNS: packed {rank to go on at (0: no more), {id, version}...}
local from, most = unpack(cmsgpack.unpack(ARGV[1]))
local ids = redis.call('ZRANGE', K .. 'pend', from, from + most - 1)
local found = {}
for _, id in ipairs(ids) do
  local a = get(id)
  if a and a.s == 'pend' and a.m and redis.call('SCARD', K .. 'wf:' .. id) >= a.m then
    found[#found + 1] = {id, a.v}
  end
end
return cmsgpack.pack({#ids < most and 0 or from + most, found})
