-- Sizes of each bucket.
local out = {}
for i, base in ipairs(KEYS) do
  local counts = redis.call('HMGET', base .. 'counts', 'open', 'dead', 'log_bytes', 'newest_ms')
  counts[5] = redis.call('ZCARD', base .. 'aside')
  out[i] = counts
end
return out
