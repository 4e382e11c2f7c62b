-- The hot record of an activity is one msgpack map under a:{id}. While it lives:
--   v version in effect (of the claim while leased), d version of the record in effect, s place, st state word,
--   b band, p priority, t type, o order, du due, ex expires, pt partition, ad address, rc records without a null,
--   at attempt, tk token, sv the settle's version, w worker, c claimed at, k lane, l limits, u unique key, n once,
--   wf workflow, m members, f waiter wants to be told, x body.
-- Settled (a stub): v, s = 'gone', st, pt, ad, rc, so settlement as code:offset, r result, n, u, at.
local function get(id)
  local packed = redis.call('GET', K .. 'a:' .. id)
  return packed and cmsgpack.unpack(packed)
end

local function put(id, a)
  redis.call('SET', K .. 'a:' .. id, cmsgpack.pack(a))
end

-- Add to a list of records such as 'n.0,r.687' without repeating one.
local function with_records(list, more)
  list, more = list or '', more or ''
  if more == '' or list == more then return list end
  if list == '' then return more end
  for one in string.gmatch(more, '[^,]+') do
    if not string.find(',' .. list .. ',', ',' .. one .. ',', 1, true) then
      list = list == '' and one or (list .. ',' .. one)
    end
  end
  return list
end

local function without_records(list, gone)
  local kept = {}
  gone = ',' .. gone .. ','
  for one in string.gmatch(list or '', '[^,]+') do
    if not string.find(gone, ',' .. one .. ',', 1, true) then kept[#kept + 1] = one end
  end
  return table.concat(kept, ',')
end

-- Of a list of records, those older than a version.
local function older_records(list, version)
  local older = {}
  for one in string.gmatch(list or '', '[^,]+') do
    if tonumber(string.match(one, '%.(%d+)$')) < version then older[#older + 1] = one end
  end
  return table.concat(older, ',')
end
