-- Apply records of the retry, completed and dead letter topics; idempotent.
-- include: open room activity sets ready lanes place islands admit apply
-- KEYS: meta
-- ARGV: {by_loader, epoch (0: any), {record...}}, stub_ms, once_stub_ms, body or '' of each record
-- RETURNS: {counted (1 yes, 0 no, 2 decided in an older epoch)...}, {superfluous records...}, packed
local by_loader, expected, items = unpack(cmsgpack.unpack(ARGV[1]))
if expected > 0 and expected ~= epoch then return redis.error_reply('EPOCH this queue was opened anew') end
local counted, superfluous = {}, {}
for i, r in ipairs(items) do
  local body = ARGV[3 + i]
  counted[i], superfluous[i] = apply_record(r, body ~= '' and body or nil, by_loader)
end
finish()
return cmsgpack.pack({counted, superfluous})
