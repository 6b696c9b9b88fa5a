-- For each bucket, its oldest log entries: product, time and size of each, oldest first in a product.
local most, out = tonumber(ARGV[1]), {}
for i, base in ipairs(KEYS) do
  local found = {}
  for _, product in ipairs(redis.call('ZRANGE', base .. 'logs', 0, -1)) do
    for _, entry in ipairs(redis.call('XRANGE', base .. 'log:' .. product, '-', '+', 'COUNT', most)) do
      found[#found + 1] = { product, entry[1], #(fields_of(entry).body or '') }
    end
  end
  out[i] = found
end
return out
