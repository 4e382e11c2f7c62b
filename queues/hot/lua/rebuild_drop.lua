-- Drop keys of a queue that is being rebuilt.
-- include: lock
-- KEYS: meta
-- ARGV: {lock token, key...}
-- RETURNS: how many were dropped
local dropped = 0
for i = 2, #request do
  if request[i] ~= KEYS[1] then dropped = dropped + redis.call('UNLINK', request[i]) end
end
return dropped
