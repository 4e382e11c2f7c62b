-- List what has run out: leases to be reaped, and waiting activities that have expired or are duplicates.
-- include: open activity
-- KEYS: meta
-- ARGV: {most}
-- RETURNS: packed {{id, version, partition, was settling}... of leases, {id, version, 'expired' or 'duplicate'}...}
local most = unpack(cmsgpack.unpack(ARGV[1]))
local leases, waiting = {}, {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', K .. 'leases', '-inf', now, 'LIMIT', 0, most)) do
  local a = get(id)
  if a and (a.s == 'leased' or a.s == 'settling') then
    leases[#leases + 1] = {id, a.v, a.pt, a.s == 'settling'}
  else
    redis.call('ZREM', K .. 'leases', id)
  end
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', K .. 'exp', '-inf', now, 'LIMIT', 0, most)) do
  local a = get(id)
  if a and a.s ~= 'leased' and a.s ~= 'settling' and a.s ~= 'gone' then
    waiting[#waiting + 1] = {id, a.v, a.s == 'dup' and 'duplicate' or 'expired'}
  elseif not a or a.s == 'gone' then
    redis.call('ZREM', K .. 'exp', id)
  end
end
return cmsgpack.pack({leases, waiting})
