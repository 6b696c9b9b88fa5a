-- Has a delivery sent again, in whichever bucket it is; answers which one that will be.
local id, copy, now = ARGV[1], ARGV[2], ARGV[3]
for _, base in ipairs(KEYS) do
  local at = base .. 'delivery:' .. id
  local held = redis.call('HMGET', at, 'status', 'product', 'lane', 'key', 'body', 'number')
  local status, product, lane = held[1], held[2], held[3]
  if status == 'waiting' then
    hurry(base, product, lane, now)
  elseif status == 'dead' then
    redis.call('HSET', at, 'status', 'waiting', 'attempts', 0, 'revived', 1)
    redis.call('HDEL', at, 'finished')
    redis.call('ZREM', base .. 'finished', id)
    redis.call('HINCRBY', base .. 'counts', 'dead', -1)
    count(base, product, lane, id, redis.call('HGET', at, 'created'))
    redis.call('ZADD', base .. 'lane:' .. product .. '/' .. lane, held[6], id)
    -- Whoever waits in front of the lane steps back.
    local front = redis.call('HGET', base .. 'front:' .. product, lane)
    if front and redis.call('HGET', base .. 'delivery:' .. front, 'status') == 'waiting' then
      step_back(base, product, lane, front)
    end
    advance(base, product, lane, now)
  elseif status == 'delivered' or status == 'withdrawn' then
    insert(base, product, held[4], copy, lane, held[5], now, id)
    return copy
  end
  if status then return id end
end
return false
