-- Let an enqueuer's own records take effect ahead of the loader, as runs of exactly the offsets reported for them.
-- include: open activity sets ready lanes place islands admit apply
-- KEYS: meta
-- ARGV: {band, partition, window, most_ahead, loader_silence_ms, {first, {record...}}...}, stub_ms, once_stub_ms, body...
-- RETURNS: a digit a run: 1 accepted, 0 left to the loader, 2 left to it because of a backlog
local band, partition, window, ahead, silence, runs = unpack(cmsgpack.unpack(ARGV[1]))
local field = band .. ':' .. partition
local position = pos_of(field)
local seen = tonumber(redis.call('HGET', KEYS[1], 'loader') or 0)
local full = now - seen > silence or ready_count(band) >= window
local answers, body = {}, 3

-- Ahead of its turn goes nothing with an ordering key, and nothing that came before: a second record of an id in
-- another topic gets its null from the loader alone.
local function may_pass(items, from)
  for _, r in ipairs(items) do
    if r[11] ~= '' and from > position then return false end
    if r[13] == 1 and redis.call('EXISTS', K .. 'a:' .. r[1]) == 1 then return false end
  end
  return true
end

for i, run in ipairs(runs) do
  local from, items = run[1], run[2]
  if full or from > position + ahead then
    answers[i] = '2'
  elseif from < position or not may_pass(items, from) then
    answers[i] = '0'
  else
    local alone = true
    for n, r in ipairs(items) do
      if apply_record(r, ARGV[body + n], false) ~= 1 then alone = false end
    end
    -- A second record of an activity needs its null: the loader must meet it, and meets no more than this run.
    if alone then add_island(field, from, from + #items) end
    local moved = absorb(K .. 'isl:' .. field, position)
    if moved > position then
      position = moved
      redis.call('HSET', K .. 'pos', field, string.format('%.0f', position))
    end
    answers[i] = alone and '1' or '0'
  end
  body = body + #items
end
finish()
return table.concat(answers)
