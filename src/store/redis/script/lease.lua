-- Leases of each product named, in one bucket, as many deliveries as are said, the longest due first.
local base, now, until_ms = KEYS[1], ARGV[1], ARGV[2]
local leases = {}
for i = 3, #ARGV, 2 do
  local product, most = ARGV[i], ARGV[i + 1]
  local lanes = redis.call('ZRANGEBYSCORE', base .. 'ready:' .. product, '-inf', now, 'LIMIT', 0, most)
  for _, lane in ipairs(lanes) do
    local id = redis.call('HGET', base .. 'front:' .. product, lane)
    local at = base .. 'delivery:' .. id
    local held = redis.call('HMGET', at, 'status', 'started', 'unsettled')
    if held[1] == 'leased' then
      -- An attempt that ran out without a word has been an attempt.
      redis.call('HINCRBY', at, 'attempts', 1)
      if not held[3] or tonumber(held[2]) < tonumber(held[3]) then
        redis.call('HSET', at, 'unsettled', held[2])
      end
      record(base, id, string.gsub(LOST, '"started_ms":0', '"started_ms":' .. held[2]), '')
    end
    redis.call('HINCRBY', at, 'fence', 1)
    redis.call('HSET', at, 'status', 'leased', 'started', now, 'due', until_ms)
    schedule(base, product, lane, until_ms)
    local fields = redis.call('HMGET', at, 'fence', 'key', 'body', 'attempts', 'created', 'unsettled',
      'replay_of', 'revived')
    leases[#leases + 1] = { product, id, lane, fields }
  end
end
return leases
