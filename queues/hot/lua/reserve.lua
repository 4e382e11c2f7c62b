-- Reserve unique keys and chosen ids for 30 s, before their append; of each item all it needs, or nothing.
-- include: open activity
-- KEYS: meta
-- ARGV: {{id, unique key or '', once (0 or 1), ignored holder or ''}...}
-- RETURNS: packed: '' (reserved), or 'id:{state}' (the id is taken), 'key:{holder}' (live), 'ask:{holder}' (the hot view
--          does not know the holder: only the index can tell) for each
local answers = {}

local function id_taken(id)
  local a = get(id)
  if a then return 'id:' .. a.st end
  return redis.call('EXISTS', K .. 'rv:' .. id) == 1 and 'id:reserved' or ''
end

local function key_taken(id, name, ignored)
  local holder = redis.call('GET', name)
  if not holder or holder == id or holder == ignored then return '' end
  local a = get(holder)
  if a then return a.s ~= 'gone' and 'key:' .. holder or '' end
  return (redis.call('PTTL', name) > 0 and 'key:' or 'ask:') .. holder
end

for i, item in ipairs(cmsgpack.unpack(ARGV[1])) do
  local id, key, once, ignored = unpack(item)
  local name = K .. 'uq:' .. key
  local why = once == 1 and id_taken(id) or ''
  if why == '' and key ~= '' then why = key_taken(id, name, ignored) end
  if why == '' then
    if once == 1 then redis.call('SET', K .. 'rv:' .. id, '1', 'PX', 30000) end
    -- What is live already holds its key for good.
    if key ~= '' and redis.call('GET', name) ~= id then redis.call('SET', name, id, 'PX', 30000) end
  end
  answers[i] = why
end
return cmsgpack.pack(answers)
