-- Puts a leased delivery back, in whichever bucket it is, if the lease is the newest.
local id, fence, not_before, unsettled = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local has_reason, reason, counts, attempt, http_status = ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9]
for _, base in ipairs(KEYS) do
  local at = base .. 'delivery:' .. id
  local held = redis.call('HMGET', at, 'status', 'fence', 'product', 'lane')
  if held[1] == 'leased' and held[2] == fence then
    redis.call('HSET', at, 'status', 'waiting', 'due', not_before)
    redis.call('HINCRBY', at, 'attempts', counts)
    if unsettled == '' then
      redis.call('HDEL', at, 'unsettled')
    else
      redis.call('HSET', at, 'unsettled', unsettled)
    end
    if has_reason == '1' then redis.call('HSET', at, 'error', reason) end
    if attempt ~= '' then record(base, id, attempt, http_status) end
    schedule(base, held[3], held[4], not_before)
  end
end
return 1
