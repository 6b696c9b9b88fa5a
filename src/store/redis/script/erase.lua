-- Removes rows, each only if it still is as it was seen; answers how many are gone.
local base, kind, product, now, gone = KEYS[1], ARGV[1], ARGV[2], ARGV[3], 0
for i = 4, #ARGV, 2 do
  local row, seen = ARGV[i], ARGV[i + 1]
  local held = look(base, kind, product, row)
  if held and held[#held] == seen then
    gone = gone + 1
    if kind == 'states' then
      forget(base, row)
    elseif kind == 'log' then
      erase_entry(base, product, redis.call('XRANGE', base .. 'log:' .. product, row, row)[1])
    elseif kind == 'index' then
      drop_row(base, row)
    elseif kind == 'outbox' then
      remove(base, row, now)
    else
      redis.call('ZREM', base .. kind, row)
    end
  end
end
return gone
