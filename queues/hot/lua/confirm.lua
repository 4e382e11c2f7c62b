-- End reservations after the append: kept keys lose their time limit, failed ones are given back.
-- include: open room activity
-- KEYS: meta
-- ARGV: {{id, unique key or '', kept (0 or 1)}...}
-- RETURNS: nothing
for _, item in ipairs(cmsgpack.unpack(ARGV[1])) do
  local id, key, kept = unpack(item)
  redis.call('DEL', K .. 'rv:' .. id)
  if key ~= '' and redis.call('GET', K .. 'uq:' .. key) == id then
    -- A key without a time limit is held by an activity that was admitted: it is not ours to give back.
    if kept == 1 then
      redis.call('PERSIST', K .. 'uq:' .. key)
    elseif redis.call('PTTL', K .. 'uq:' .. key) > 0 then
      redis.call('DEL', K .. 'uq:' .. key)
    end
  end
end
