-- For each bucket, the index rows of a space that is listed, oldest first, with their values.
local space = ARGV[1]
local out = {}
for i, base in ipairs(KEYS) do
  local found = {}
  for r, row in ipairs(redis.call('ZRANGE', base .. space .. 's', 0, -1)) do
    found[r] = { row, redis.call('GET', base .. 'index:' .. row) }
  end
  out[i] = found
end
return out
