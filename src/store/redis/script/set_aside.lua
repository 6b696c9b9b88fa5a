-- Sets a row aside that cannot be read: it is out of the way, and what it held is kept.
local base, kind, product, row, reason, now = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local address, content = row, nil
if kind == 'state' then
  local head, _, state, settled = unpack(held_at(base .. 'state:' .. row))
  if head then content = (state or '') .. '\n' .. (settled or '') end
elseif kind == 'log entry' then
  local entry = redis.call('XRANGE', base .. 'log:' .. product, row, row)[1]
  if entry then content = table.concat(entry[2], ',') end
  address = product .. '/' .. row
else
  local held = redis.call('HGETALL', base .. 'delivery:' .. row)
  if #held > 0 then content = table.concat(held, ',') end
end
if not content then return 0 end
local number = next_number(base, now)
redis.call('ZADD', base .. 'aside', number, cjson.encode({
  number = number, what = kind, address = address, reason = reason, content = content
}))
if kind == 'state' then
  forget(base, row)
elseif kind == 'log entry' then
  erase_entry(base, product, redis.call('XRANGE', base .. 'log:' .. product, row, row)[1])
else
  remove(base, row, now)
end
return 1
