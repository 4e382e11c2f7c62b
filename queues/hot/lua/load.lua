-- Apply what the loader read of a pending topic and move the position, in one step.
-- include: open activity sets ready lanes place islands admit apply
-- KEYS: meta
-- ARGV: {epoch, band, partition, next, {record...}}, stub_ms, once_stub_ms, body...
-- RETURNS: the position, which may be further on than asked for
local expected, band, partition, following, items = unpack(cmsgpack.unpack(ARGV[1]))
if expected ~= epoch then return redis.error_reply('EPOCH this queue was opened anew') end
-- A position alone needs no memory.
if #items == 0 then redis.call('DEL', K .. 'room') end
local field = band .. ':' .. partition
local position = pos_of(field)
local islands = K .. 'isl:' .. field
for i, r in ipairs(items) do
  if r[4] >= position then
    local near = redis.call('ZREVRANGEBYSCORE', islands, r[4], '-inf', 'LIMIT', 0, 1)[1]
    if not (near and tonumber(string.match(near, ':(%d+)$')) > r[4]) then apply_record(r, ARGV[3 + i], true) end
  end
end
local moved = absorb(islands, math.max(position, following))
redis.call('HSET', K .. 'pos', field, string.format('%.0f', moved))
redis.call('HSET', KEYS[1], 'loader', now)
finish()
return moved
