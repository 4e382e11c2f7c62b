-- An island is a run of offsets of a pending topic that took effect ahead of the position: member first:last+1.
local function pos_of(field)
  return tonumber(redis.call('HGET', K .. 'pos', field) or 0)
end

local function is_loaded(a_address, partition)
  local band, offset = string.match(a_address, '^(%a):(%d+)$')
  offset = tonumber(offset)
  if pos_of(band .. ':' .. partition) > offset then return true end
  local near = redis.call('ZREVRANGEBYSCORE', K .. 'isl:' .. band .. ':' .. partition, offset, '-inf', 'LIMIT', 0, 1)[1]
  return near ~= nil and tonumber(string.match(near, ':(%d+)$')) > offset
end

-- Let the position swallow the islands that it has reached.
local function absorb(set, position)
  while true do
    local first = redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')
    if not first[1] or tonumber(first[2]) > position then return position end
    redis.call('ZREM', set, first[1])
    position = math.max(position, tonumber(string.match(first[1], ':(%d+)$')))
  end
end

-- Add a run of offsets; neighbours merge.
local function add_run(set, from, to)
  local before = redis.call('ZREVRANGEBYSCORE', set, from, '-inf', 'LIMIT', 0, 1)[1]
  if before and tonumber(string.match(before, ':(%d+)$')) >= from then
    redis.call('ZREM', set, before)
    to = math.max(to, tonumber(string.match(before, ':(%d+)$')))
    from = tonumber(string.match(before, '^(%d+)'))
  end
  local after = redis.call('ZRANGEBYSCORE', set, from, to, 'LIMIT', 0, 1)[1]
  if after then
    redis.call('ZREM', set, after)
    to = math.max(to, tonumber(string.match(after, ':(%d+)$')))
  end
  redis.call('ZADD', set, from, string.format('%.0f:%.0f', from, to))
end

local function add_island(field, from, to) add_run(K .. 'isl:' .. field, from, to) end

-- How many activities of a band could be claimed now.
local function ready_count(band)
  local count = 0
  for _, member in ipairs(redis.call('SMEMBERS', K .. 'types')) do
    if string.sub(member, 1, 1) == band then count = count + redis.call('ZCARD', K .. 'ready:' .. member) end
  end
  return count
end
