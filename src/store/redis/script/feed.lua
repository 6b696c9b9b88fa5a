-- What of a product's log subscribers may see, after an offset; and whether there is more behind it.
local base, product, after, limit, looked_max =
  KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local bounds = redis.call('HMGET', base .. 'product:' .. product, 'last', 'trimmed')
local seen, scanned, looked, more = {}, after, 0, 1
while #seen < limit and looked < looked_max do
  local most = math.min(limit, looked_max - looked)
  local page = redis.call('XRANGE', base .. 'log:' .. product, '(' .. scanned, '+', 'COUNT', most)
  for _, entry in ipairs(page) do
    looked, scanned = looked + 1, entry[1]
    if fields_of(entry).visible == '1' then seen[#seen + 1] = entry end
    if #seen == limit then break end
  end
  if #page < most then
    if #seen < limit then scanned, more = bounds[1] or scanned, 0 end
    break
  end
end
return { seen, scanned, bounds[2], more }
