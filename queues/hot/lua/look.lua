-- Tell of records of a pending topic what the loader must do with each, changing nothing but the sign of life.
-- include: open room activity islands
-- KEYS: meta
-- ARGV: {epoch, band, partition, window, {id, offset}...}
-- RETURNS: packed {position, room, a digit a record: 0 nothing, 1 its null is missing, 2 to be loaded}
local expected, band, partition, window, items = unpack(cmsgpack.unpack(ARGV[1]))
if expected ~= epoch then return redis.error_reply('EPOCH this queue was opened anew') end
local field = band .. ':' .. partition
local position, answers = pos_of(field), {}
local islands = {}
if #items > 0 then
  local near = redis.call('ZRANGEBYSCORE', K .. 'isl:' .. field, '-inf', items[#items][2])
  for i, member in ipairs(near) do
    local from, to = string.match(member, '^(%d+):(%d+)$')
    islands[i] = {tonumber(from), tonumber(to)}
  end
end
local at = 1
for i, item in ipairs(items) do
  local id, offset = item[1], item[2]
  while islands[at] and islands[at][2] <= offset do at = at + 1 end
  local covered = offset < position or (islands[at] and islands[at][1] <= offset)
  local a = get(id)
  if a and a.s ~= 'gone' and (a.pt ~= partition or string.sub(a.ad, 1, 1) ~= band) then
    -- A second record of its first enqueue, under a key of its own: superfluous while the first one lives.
    answers[i] = '1'
  elseif a and a.s ~= 'gone' then
    answers[i] = covered and '0' or '2'
  elseif a or covered then
    answers[i] = '1'
  else
    answers[i] = '2'
  end
end
redis.call('HSET', KEYS[1], 'loader', now)
local hungry = now - tonumber(redis.call('HGET', KEYS[1], 'hungry') or 0) < 2000
local room = window - ready_count(band)
return cmsgpack.pack({position, (hungry and room < 1000) and 1000 or room, table.concat(answers)})
