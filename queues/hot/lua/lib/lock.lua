-- Refuse to run for a rebuilder whose lock is not its own any more; extend it otherwise.
local K = string.sub(KEYS[1], 1, -5)
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local EPOCH, epoch, LOCK_MS = 2 ^ 36, 0, 30000
local request = cmsgpack.unpack(ARGV[1])
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local lock = redis.call('HMGET', KEYS[1], 'lock', 'lock_run')
-- A server that restarted meanwhile may be back from before the keys were dropped.
if lock[1] ~= request[1] or lock[2] ~= run then return redis.error_reply('LOCK another rebuild took over') end
redis.call('HSET', KEYS[1], 'locked_until', now + LOCK_MS)
-- Of two acknowledged activities that hold one unique key, both stay: none is lost for uniqueness.
local keep_both = true
