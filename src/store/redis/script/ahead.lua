-- For each bucket, keys written when the clock was ahead and due behind the claim, with the deadline.
local now, until_ms, limit, out = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), {}
for i, base in ipairs(KEYS) do
  local found = {}
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', base .. 'awaited', '(' .. now, '+inf')) do
    local due = redis.call('ZSCORE', base .. 'due', member)
    if due and tonumber(due) > until_ms then
      found[#found + 1] = member
      found[#found + 1] = due
    end
    if #found >= 2 * limit then break end
  end
  out[i] = found
end
return out
