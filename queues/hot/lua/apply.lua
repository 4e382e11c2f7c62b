-- Apply records of the retry, completed and dead letter topics; idempotent.
-- include: open room activity sets ready lanes place islands admit apply
-- KEYS: meta
-- ARGV: {by_loader, epoch (0: any), {record...}}, stub_ms, once_stub_ms, body or '' of each record
-- RETURNS: {counted (1 yes, 0 no, 2 decided in an older epoch)...}, {superfluous records...}, packed
local by_loader, expected, items = unpack(cmsgpack.unpack(ARGV[1]))
if expected > 0 and expected ~= epoch then return redis.error_reply('EPOCH this queue was opened anew') end
local counted, superfluous = {}, {}
local UNKNOWN_OFFSET, MOST_RUNS = 2 ^ 52, 1000

-- Note where a settlement lies of which the loader would learn nothing: it counts, its own header names all that is
-- superfluous now, and nothing waits for it. Not a dead letter: what overtakes that must null it.
local function plain(i, r)
  return counted[i] == 1 and superfluous[i] == r[18] and r[2] == 'd' and r[15] == '' and r[4] < UNKNOWN_OFFSET
end

local function note_plain()
  local runs = {}
  for i, r in ipairs(items) do
    if plain(i, r) then
      local last = runs[#runs]
      if last and last[1] == r[3] and last[3] == r[4] then
        last[3] = r[4] + 1
      else
        runs[#runs + 1] = {r[3], r[4], r[4] + 1}
      end
    end
  end
  for _, run in ipairs(runs) do
    local set = K .. 'plain:d:' .. run[1]
    if redis.call('ZCARD', set) < MOST_RUNS then add_run(set, run[2], run[3]) end
  end
end

for i, r in ipairs(items) do
  local body = ARGV[3 + i]
  counted[i], superfluous[i] = apply_record(r, body ~= '' and body or nil, by_loader)
end
if not by_loader then note_plain() end
finish()
return cmsgpack.pack({counted, superfluous})
