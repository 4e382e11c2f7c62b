-- Reserve unique keys and chosen ids for 30 s, before their append.
-- include: open activity
-- KEYS: meta
-- ARGV: {{id, unique key or '', once (0 or 1), ignored holder or ''}...}
-- RETURNS: packed: '' (reserved), or 'id:{state}' (the id is taken), 'key:{holder}' (live), 'ask:{holder}' (the hot view
--          does not know the holder: only the index can tell) for each
local answers = {}

local function reserve_id(id)
  local a = get(id)
  if a then return 'id:' .. a.st end
  if not redis.call('SET', K .. 'rv:' .. id, '1', 'NX', 'PX', 30000) then return 'id:reserved' end
  return ''
end

local function reserve_key(id, key, ignored)
  local name = K .. 'uq:' .. key
  local holder = redis.call('GET', name)
  if holder and holder ~= id and holder ~= ignored then
    local a = get(holder)
    if a and a.s ~= 'gone' then return 'key:' .. holder end
    if not a and redis.call('PTTL', name) > 0 then return 'key:' .. holder end
    if not a then return 'ask:' .. holder end
  end
  redis.call('SET', name, id, 'PX', 30000)
  return ''
end

for i, item in ipairs(cmsgpack.unpack(ARGV[1])) do
  local id, key, once, ignored = unpack(item)
  answers[i] = once == 1 and reserve_id(id) or ''
  if answers[i] == '' and key ~= '' then answers[i] = reserve_key(id, key, ignored) end
end
return cmsgpack.pack(answers)
