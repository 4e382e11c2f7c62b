-- Close a queue that is not open under this server and take the rebuilder's lock.
-- KEYS: meta
-- ARGV: {lock token, force (0 or 1)}
-- RETURNS: 'open' (nothing to do), 'busy' (another rebuilds), 'locked' (it is ours)
local token, force = unpack(cmsgpack.unpack(ARGV[1]))
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'run', 'locked_until', 'n')
local spent = tonumber(meta[4] or 0) > 2 ^ 36 - 2 ^ 30
if meta[1] and meta[2] == run and not spent and force ~= 1 then return 'open' end
if meta[3] and tonumber(meta[3]) > now then return 'busy' end
redis.call('HDEL', KEYS[1], 'epoch', 'run')
redis.call('HSET', KEYS[1], 'lock', token, 'lock_run', run, 'locked_until', now + 30000)
return 'locked'
