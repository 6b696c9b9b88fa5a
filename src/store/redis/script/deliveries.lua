-- For each bucket, deliveries older than a number, newest first.
local before, most, out = ARGV[1], ARGV[2], {}
for i, base in ipairs(KEYS) do
  local found = {}
  local ids = redis.call('ZREVRANGEBYSCORE', base .. 'deliveries', before, '-inf', 'LIMIT', 0, most)
  for d, id in ipairs(ids) do
    found[d] = { id, redis.call('HMGET', base .. 'delivery:' .. id, unpack(FIELDS)) }
  end
  out[i] = found
end
return out
