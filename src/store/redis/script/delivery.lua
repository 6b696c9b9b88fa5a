-- One delivery and its calls, in whichever bucket it is.
local id = ARGV[1]
for _, base in ipairs(KEYS) do
  local fields = redis.call('HMGET', base .. 'delivery:' .. id, unpack(FIELDS))
  if fields[1] then
    return { fields, redis.call('LRANGE', base .. 'attempts:' .. id, 0, -1) }
  end
end
return false
