-- Refuse to run unless this queue was opened under this very server: a restarted, emptied or failed-over Redis may
-- be older than what was answered, and a number drawn there would be drawn twice.
local K = string.sub(KEYS[1], 1, -5)
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'run', 'n')
local epoch, counter = tonumber(meta[1]), tonumber(meta[3] or 0)
-- An epoch whose numbers are nearly used up is left for the next, or it would draw that one's numbers.
if not epoch or meta[2] ~= run or counter > 2 ^ 36 - 2 ^ 30 then
  return redis.error_reply('FOREIGN this queue is not open on this server')
end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local EPOCH = 2 ^ 36
local drawn, keep_both = 0, false

-- Draw the next version; save_drawn() must follow before the script ends.
local function draw()
  drawn = drawn + 1
  return epoch * EPOCH + counter + drawn
end

local function save_drawn()
  if drawn > 0 then redis.call('HINCRBY', KEYS[1], 'n', drawn) end
end
