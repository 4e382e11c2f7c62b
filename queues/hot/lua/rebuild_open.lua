-- Set positions, restore configuration and open the queue under this server and its new epoch.
-- include: lock
-- KEYS: meta
-- ARGV: {lock token, epoch, {position field, offset}..., paused (0 or 1)}
-- RETURNS: the epoch
local _, opened, positions, paused = unpack(request)
redis.call('DEL', K .. 'pos', K .. 'ipos')
for _, one in ipairs(positions) do redis.call('HSET', K .. 'pos', one[1], string.format('%.0f', one[2])) end
redis.call('HDEL', KEYS[1], 'lock', 'lock_run', 'locked_until')
redis.call('HSET', KEYS[1], 'epoch', string.format('%.0f', opened), 'run', run, 'n', '0', 'loader', now, 'paused', paused)
redis.call('PUBLISH', K .. 'wake', '')
return opened
