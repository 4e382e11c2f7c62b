-- Extend the leases that are still held under their fence; tell which are lost.
-- include: open room activity
-- KEYS: meta
-- ARGV: {lease_ms, {id, fence}...}
-- RETURNS: a digit an activity: 1 held, 0 lost, 2 cancelled by an operator
local lease, items = unpack(cmsgpack.unpack(ARGV[1]))
local answers = {}
for i, item in ipairs(items) do
  local a = get(item[1])
  if a and a.s == 'leased' and a.v == item[2] then
    redis.call('ZADD', K .. 'leases', 'XX', now + lease, item[1])
    answers[i] = '1'
  elseif a and (a.st == 'cancelled' or a.verb == 'cancel') then
    answers[i] = '2'
  else
    answers[i] = '0'
  end
end
return table.concat(answers)
