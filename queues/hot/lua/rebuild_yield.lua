-- Give the rebuilder's lock back, so that another need not wait for its end.
-- include: lock
-- KEYS: meta
-- ARGV: {lock token}
-- RETURNS: nothing
redis.call('HDEL', KEYS[1], 'lock', 'lock_run', 'locked_until')
