-- Ask to be told when a live activity ends.
-- include: open activity
-- KEYS: meta
-- ARGV: {id}
-- RETURNS: 1 when it is live
local id = cmsgpack.unpack(ARGV[1])[1]
local a = get(id)
if not a or a.s == 'gone' then return 0 end
a.f = 1
put(id, a)
return 1
