-- For each bucket, keys whose deadline has passed, with the deadline.
local out = {}
for i, base in ipairs(KEYS) do
  out[i] = redis.call('ZRANGEBYSCORE', base .. 'due', '-inf', ARGV[1], 'WITHSCORES', 'LIMIT', 0, ARGV[2])
end
return out
