-- Draw a version for another outcome of each activity and hold it under a lease until that outcome is appended.
-- include: open room activity sets ready lanes place islands hold
-- KEYS: meta
-- ARGV: {verb, places (a set of s; with 'expired' only leases that have run out), states (a set), lease_ms, holder,
--        {id, expected version or -1, cold or false}...}, body or ''...
--   cold {state, type, priority, partition, address, version, records, attempt}: what the log says of an activity
--   that the hot view does not know
-- RETURNS: {packed {{id, version, partition, address, records, attempt, worker, claimed, priority, s}, or {id, why}}...,
--          body...}; why: 'conflict:{state}', 'missing', 'busy' (another settle is under way)
local answers, bodies = {}, {}

local function ran_out(id)
  return tonumber(redis.call('ZSCORE', K .. 'leases', id) or now + 1) <= now
end

for i, item in ipairs(items) do
  local id, expected, cold, body = item[1], item[2], item[3], ARGV[1 + i]
  local a = get(id)
  if a and a.s == 'gone' and places.gone and cold and cold[6] == a.v then
    local stub = a
    a = from_cold(cold, body)
    a.rc = with_records(stub.rc, cold[7])
    a.ad = stub.ad
  elseif not a and cold and (places.gone or not is_loaded(cold[5], cold[4])) then
    a = from_cold(cold, body)
  end
  local kind = a and (string.match(a.s, '^limit') or a.s)
  if not a then
    answers[i], bodies[i] = {id, 'missing'}, ''
  elseif kind == 'gone' or (expected >= 0 and a.v ~= expected) or not (places[kind] or kind == 'cold')
      or not states[a.st] or (places.expired and not ran_out(id)) then
    answers[i] = {id, a.s == 'settling' and 'busy' or 'conflict:' .. a.st}
    bodies[i] = ''
  else
    bodies[i] = a.x or ''
    answers[i] = hold(id, a)
  end
end
save_drawn()
finish()
return {cmsgpack.pack(answers), unpack(bodies)}
