-- What a record makes of an activity: a hot record that waits, or a stub.
-- r: 1 id, 2 code (c h n l pending bands, r retry, d completed, x dead letter), 3 partition, 4 offset, 5 version,
--    6 state, 7 type, 8 priority, 9 due, 10 expires, 11 lane, 12 unique, 13 once, 14 limits, 15 workflow, 16 members,
--    17 address, 18 earlier records, 19 time of order, 20 attempt
local function terminal(r) return r[2] == 'd' or r[2] == 'x' end
local function first(r) return not terminal(r) and r[2] ~= 'r' end
local function own(r) return terminal(r) and '' or (r[2] .. '.' .. string.format('%.0f', r[5])) end
-- A dead letter that another version has overtaken gets its null like a waiting record; one in effect never.
local function nullable(r) return r[2] == 'x' and 'x.' .. string.format('%.0f', r[5]) or own(r) end
local function given(value) return value ~= '' and value ~= 0 and value or nil end

local function band_of(p)
  return p >= 75 and 'c' or p > 0 and 'h' or p == 0 and 'n' or 'l'
end

-- Confirm the unique key, or tell that another live activity holds it.
local function taken(id, key)
  local holder = redis.call('GET', K .. 'uq:' .. key)
  if holder and holder ~= id then
    local b = get(holder)
    if b and b.s ~= 'gone' then return not keep_both end
  end
  redis.call('SET', K .. 'uq:' .. key, id)
  return false
end

local function admit(id, r, body, records)
  local a = {
    v = r[5], d = r[5], b = band_of(r[8]), p = r[8], t = r[7], du = given(r[9]),
    ex = given(r[10]), k = given(r[11]), u = given(r[12]), n = given(r[13]), l = #r[14] > 0 and r[14] or nil,
    wf = given(r[15]), m = given(r[16]), ad = r[17] ~= '' and r[17] or (r[2] .. ':' .. string.format('%.0f', r[4])),
    pt = r[3], at = r[20], rc = with_records(with_records(records, own(r)), r[18]), x = body,
  }
  a.o = order_of(a, a.du or r[19])
  if a.u and taken(id, a.u) then
    -- Settled as a duplicate by the sweep of what has expired: never run, never forgotten.
    a.s, a.st, a.ex = 'dup', r[6], 0
    zset(K .. 'exp', id, 0)
  else
    place(id, a, r[6])
  end
  put(id, a)
end

local function settle(id, r, a, records, result)
  local address, once = a and a.ad or r[17], a and a.n or given(r[13])
  if a and a.s ~= 'gone' then unplace(id, a, true) end
  put(id, {
    v = r[5], s = 'gone', st = r[6], pt = r[3], ad = address, rc = with_records(records, r[18]), at = r[20],
    so = r[2] .. ':' .. string.format('%.0f', r[4]), r = result, u = a and a.u or given(r[12]),
    n = once, t = r[7],
  })
  zset(K .. 'stubs', id, now + tonumber(ARGV[once and 3 or 2]))
  if a and a.f then redis.call('PUBLISH', K .. 'done', id) end
end
