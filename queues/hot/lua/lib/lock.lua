-- Refuse to run for a rebuilder whose lock is not its own any more; extend it otherwise.
local K = string.sub(KEYS[1], 1, -5)
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local EPOCH, epoch, LOCK_MS = 2 ^ 36, 0, 30000
local request = cmsgpack.unpack(ARGV[1])
if redis.call('HGET', KEYS[1], 'lock') ~= request[1] then return redis.error_reply('LOCK another rebuild took over') end
redis.call('HSET', KEYS[1], 'locked_until', now + LOCK_MS)
-- Of two acknowledged activities that hold one unique key, both stay: none is lost for uniqueness.
local keep_both = true
