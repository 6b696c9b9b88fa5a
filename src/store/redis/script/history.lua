-- The newest entries of a key, newest first: each names the one before it.
local base, product, key, limit = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local _, offset = tail_of(redis.call('HGET', base .. 'state:' .. product .. '/' .. key, 'tail') or '')
local found = {}
while #found < limit do
  local entry = resolve(base, product, offset)
  if not entry then break end
  found[#found + 1] = entry
  offset = fields_of(entry).before
end
return found
