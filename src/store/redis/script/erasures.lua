-- For each bucket, index rows that ask for an erasure, oldest first, with their values.
local out = {}
for i, base in ipairs(KEYS) do
  local found = {}
  for r, row in ipairs(redis.call('ZRANGE', base .. 'erasures', 0, -1)) do
    found[r] = { row, redis.call('GET', base .. 'index:' .. row) }
  end
  out[i] = found
end
return out
