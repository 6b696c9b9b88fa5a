-- Sizes of each bucket.
local out = {}
for i, base in ipairs(KEYS) do
  local counts = redis.call('HMGET', base .. 'counts', 'open', 'dead', 'log_bytes')
  counts[4] = redis.call('ZREVRANGE', base .. 'heads', 0, 0, 'WITHSCORES')[2] or 0
  counts[5] = redis.call('ZCARD', base .. 'aside')
  out[i] = counts
end
return out
