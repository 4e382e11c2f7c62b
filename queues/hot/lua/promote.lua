-- Make claimable what is due; conditional on still being due, so two schedulers are harmless.
-- include: open room activity sets ready lanes
-- KEYS: meta
-- ARGV: {most}
-- RETURNS: how many became claimable, and the next due instant in ms (0: none)
local most = unpack(cmsgpack.unpack(ARGV[1]))
local ids = redis.call('ZRANGEBYSCORE', K .. 'due', '-inf', now, 'LIMIT', 0, most)
for _, id in ipairs(ids) do
  redis.call('ZREM', K .. 'due', id)
  local a = get(id)
  if a and a.s == 'due' then
    enter(id, a)
    put(id, a)
  end
end
finish()
local first = redis.call('ZRANGE', K .. 'due', 0, 0, 'WITHSCORES')
return {#ids, tonumber(first[2] or 0)}
