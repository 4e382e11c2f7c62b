-- Forget settled activities that both views have passed.
-- include: open activity islands
-- KEYS: meta
-- ARGV: {{field of a position, offset of the index}..., most, keep}
-- RETURNS: how many were forgotten
local passed, most, keep = unpack(cmsgpack.unpack(ARGV[1]))
for field, offset in pairs(passed) do redis.call('HSET', K .. 'ipos', field, string.format('%.0f', offset)) end
local surplus = redis.call('ZCARD', K .. 'stubs') - keep
local ids = redis.call('ZRANGEBYSCORE', K .. 'stubs', '-inf', now, 'LIMIT', 0, most)
if #ids < most and surplus > #ids then ids = redis.call('ZRANGE', K .. 'stubs', 0, math.min(most, surplus) - 1) end
local index, forgotten = {}, 0
local flat = redis.call('HGETALL', K .. 'ipos')
for i = 1, #flat, 2 do index[flat[i]] = tonumber(flat[i + 1]) end
for _, id in ipairs(ids) do
  local a = get(id)
  if a and a.s == 'gone' then
    local code, offset = string.match(a.so, '^(%a):(%d+)$')
    local field = code .. ':' .. a.pt
    offset = tonumber(offset)
    if (index[field] or 0) > offset and pos_of(field) > offset and is_loaded(a.ad, a.pt) then
      redis.call('DEL', K .. 'a:' .. id)
      redis.call('ZREM', K .. 'stubs', id)
      if a.u and redis.call('GET', K .. 'uq:' .. a.u) == id then redis.call('DEL', K .. 'uq:' .. a.u) end
      forgotten = forgotten + 1
    end
  else
    redis.call('ZREM', K .. 'stubs', id)
  end
end
return forgotten
