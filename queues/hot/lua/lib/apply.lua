-- Apply one record of the log, whoever brings it, in any order, any number of times: the highest version wins.
-- Returns whether it counts (1), has no effect (0), and which records are superfluous now.
local function apply_record(r, body, by_loader)
  local id, v, a = r[1], r[5], get(r[1])
  if v > 0 and math.floor(v / EPOCH) ~= epoch and not by_loader then return 2, '' end
  if a and a.s ~= 'gone' then
    if v > a.v or (v == a.v and a.s == 'settling') then
      if terminal(r) then
        settle(id, r, a, a.rc, body)
        return 1, with_records(a.rc, r[18])
      end
      unplace(id, a, false)
      admit(id, r, body, a.rc)
      return 1, older_records(with_records(a.rc, r[18]), v)
    end
    local records = with_records(a.rc, nullable(r))
    if records ~= a.rc then a.rc = records; put(id, a) end
    return (r[2] == 'r' and a.d == v) and 1 or 0, older_records(with_records(records, r[18]), a.d)
  end
  if a and a.v >= v then
    local records, place = with_records(a.rc, a.v > v and nullable(r) or own(r)), a.so
    -- Whoever settled it may not have been told the offset; the loader knows it.
    if by_loader and terminal(r) and a.v == v then place = r[2] .. ':' .. string.format('%.0f', r[4]) end
    if records ~= a.rc or place ~= a.so then
      a.rc, a.so = records, place
      put(id, a)
    end
    return a.v == v and 1 or 0, with_records(records, r[18])
  end
  local old = a and a.rc or ''
  if first(r) then admit(id, r, body, old); return 1, '' end
  if not a and is_loaded(r[17], r[3]) then return 0, with_records(own(r), terminal(r) and r[18] or '') end
  if terminal(r) then
    settle(id, r, a, old, body)
    return 1, with_records(old, r[18])
  end
  admit(id, r, body, old)
  return 1, older_records(with_records(old, r[18]), v)
end
