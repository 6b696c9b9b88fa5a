-- Platforms, and since when the oldest of what is open there has been.
local out = {}
for i, base in ipairs(KEYS) do
  local found = {}
  for _, platform in ipairs(redis.call('SMEMBERS', base .. 'platforms')) do
    local oldest = redis.call('ZRANGE', base .. 'open:' .. platform, 0, 0, 'WITHSCORES')
    if oldest[2] then
      found[#found + 1] = platform
      found[#found + 1] = string.format('%.0f', oldest[2])
    end
  end
  out[i] = found
end
return out
