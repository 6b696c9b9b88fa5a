-- For each bucket, its oldest log entries: product, offset and size of each. No more than `most` are looked
-- at, and only those are told of which it is certain that no older one of the bucket was passed over.
local most, out = tonumber(ARGV[1]), {}
local function ms_of(entry)
  return tonumber(string.match(entry[1], '^%d+'))
end
for i, base in ipairs(KEYS) do
  local found, looked, certain = {}, 0, math.huge
  local logs = redis.call('ZRANGE', base .. 'logs', 0, most, 'WITHSCORES')
  for l = 1, #logs, 2 do
    local product, oldest = logs[l], tonumber(logs[l + 1])
    local count = math.min(100, most - looked)
    if count <= 0 then
      certain = math.min(certain, oldest)
      break
    end
    local page = redis.call('XRANGE', base .. 'log:' .. product, '-', '+', 'COUNT', count)
    looked = looked + #page
    if #page == count then certain = math.min(certain, ms_of(page[#page])) end
    for _, entry in ipairs(page) do found[#found + 1] = { product, entry } end
  end
  local told = {}
  for _, one in ipairs(found) do
    if ms_of(one[2]) <= certain then
      told[#told + 1] = { one[1], one[2][1], #(fields_of(one[2]).body or '') }
    end
  end
  out[i] = told
end
return out
