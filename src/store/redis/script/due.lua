-- For each bucket, products with something due and how many lanes of theirs are.
local out = {}
for i, base in ipairs(KEYS) do
  local found = {}
  for _, product in ipairs(redis.call('ZRANGEBYSCORE', base .. 'ready', '-inf', ARGV[1])) do
    found[#found + 1] = product
    found[#found + 1] = redis.call('ZCOUNT', base .. 'ready:' .. product, '-inf', ARGV[1])
  end
  out[i] = found
end
return out
