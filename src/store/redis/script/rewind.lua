-- Adapts the outbox of each bucket to a clock that was set back.
local now, by, wait_max = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local function earlier(base, id)
  local at = base .. 'delivery:' .. id
  local held = redis.call('HMGET', at, 'status', 'started', 'unsettled', 'due', 'product', 'lane')
  if held[1] == 'leased' and tonumber(held[2]) > now then redis.call('HSET', at, 'started', ARGV[1]) end
  if held[3] and tonumber(held[3]) > now then redis.call('HSET', at, 'unsettled', ARGV[1]) end
  if held[4] and tonumber(held[4]) > now then
    local due = whole(math.min(math.max(tonumber(held[4]) - by, now), now + wait_max))
    redis.call('HSET', at, 'due', due)
    schedule(base, held[5], held[6], due)
  end
end
for _, base in ipairs(KEYS) do
  for _, product in ipairs(redis.call('ZRANGE', base .. 'ready', 0, -1)) do
    for _, lane in ipairs(redis.call('ZRANGE', base .. 'ready:' .. product, 0, -1)) do
      for _, id in ipairs(redis.call('ZRANGE', base .. 'lane:' .. product .. '/' .. lane, 0, -1)) do
        earlier(base, id)
      end
    end
  end
end
return 1
