-- List the runs of offsets of a later topic whose settlements took effect when they were settled, and left the loader
-- nothing but the nulls that their own headers name.
-- include: open
-- KEYS: meta
-- ARGV: {epoch, code, partition, first, last}
-- RETURNS: packed {{from, to (exclusive)}...} that begin at `last` or before
local expected, code, partition, first, last = unpack(cmsgpack.unpack(ARGV[1]))
if expected ~= epoch then return redis.error_reply('EPOCH this queue was opened anew') end
local runs = {}
for _, member in ipairs(redis.call('ZRANGEBYSCORE', K .. 'plain:' .. code .. ':' .. partition, '-inf', last)) do
  local from, to = string.match(member, '^(%d+):(%d+)$')
  if tonumber(to) > first then runs[#runs + 1] = {tonumber(from), tonumber(to)} end
end
return cmsgpack.pack(runs)
