-- Load live activities and stubs, each once, as the scan of the log decided them.
-- include: lock activity sets ready lanes place admit
-- KEYS: meta
-- ARGV: {lock token, {record...}, {records without a null of each...}}, stub_ms, once_stub_ms, body or '' of each
-- RETURNS: how many activities are loaded
for i, r in ipairs(request[2]) do
  local body = ARGV[3 + i]
  if terminal(r) then
    settle(r[1], r, nil, request[3][i], nil)
  else
    admit(r[1], r, body, request[3][i])
  end
end
finish()
return #request[2]
