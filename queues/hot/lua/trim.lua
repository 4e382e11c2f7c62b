-- Forget settled activities that both views have passed; beyond `keep` the index is not waited for.
-- include: open room activity islands
-- KEYS: meta
-- ARGV: {{field of a position, offset of the index}..., most, keep}
-- RETURNS: how many were forgotten
local passed, most, keep = unpack(cmsgpack.unpack(ARGV[1]))
for field, offset in pairs(passed) do redis.call('HSET', K .. 'ipos', field, string.format('%.0f', offset)) end
local surplus = redis.call('ZCARD', K .. 'stubs') - keep
local ids = redis.call('ZRANGEBYSCORE', K .. 'stubs', '-inf', now, 'LIMIT', 0, most)
if #ids < most and surplus > #ids then ids = redis.call('ZRANGE', K .. 'stubs', 0, math.min(most, surplus) - 1) end
local index = {}
local flat = redis.call('HGETALL', K .. 'ipos')
for i = 1, #flat, 2 do index[flat[i]] = tonumber(flat[i + 1]) end

local reached = {}
local function loader_at(field)
  reached[field] = reached[field] or pos_of(field)
  return reached[field]
end

local function both_passed(a, beyond)
  local code, offset = string.match(a.so, '^(%a):(%d+)$')
  local field = code .. ':' .. a.pt
  offset = tonumber(offset)
  if loader_at(field) <= offset or not beyond and (index[field] or 0) <= offset then return false end
  local band, first = string.match(a.ad, '^(%a):(%d+)$')
  return loader_at(band .. ':' .. a.pt) > tonumber(first) or is_loaded(a.ad, a.pt)
end

local gone, keys = {}, {}
for i, id in ipairs(ids) do
  local a = get(id)
  if not a or a.s ~= 'gone' then
    gone[#gone + 1] = id
  elseif both_passed(a, i <= surplus) then
    gone[#gone + 1], keys[#keys + 1] = id, K .. 'a:' .. id
    if a.u and redis.call('GET', K .. 'uq:' .. a.u) == id then keys[#keys + 1] = K .. 'uq:' .. a.u end
  end
end
for from = 1, #keys, 1000 do redis.call('DEL', unpack(keys, from, math.min(from + 999, #keys))) end
for from = 1, #gone, 1000 do redis.call('ZREM', K .. 'stubs', unpack(gone, from, math.min(from + 999, #gone))) end
return #gone
