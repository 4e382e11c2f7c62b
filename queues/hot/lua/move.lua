-- Move the position of a later topic past records whose nulls are in the log, and forget those nulled records.
-- include: open room activity islands
-- KEYS: meta
-- ARGV: {epoch, code, partition, next, {id, nulled records}...}
-- RETURNS: the position
local expected, code, partition, following, items = unpack(cmsgpack.unpack(ARGV[1]))
if expected ~= epoch then return redis.error_reply('EPOCH this queue was opened anew') end
for _, item in ipairs(items) do
  local a = get(item[1])
  if a and a.rc ~= '' then
    a.rc = without_records(a.rc, item[2])
    put(item[1], a)
  end
end
local field = code .. ':' .. partition
local position = math.max(pos_of(field), following)
redis.call('HSET', K .. 'pos', field, string.format('%.0f', position))
local plain = K .. 'plain:' .. field
for _, member in ipairs(redis.call('ZRANGEBYSCORE', plain, '-inf', position)) do
  if tonumber(string.match(member, ':(%d+)$')) <= position then redis.call('ZREM', plain, member) end
end
redis.call('HSET', KEYS[1], 'loader', now)
return position
