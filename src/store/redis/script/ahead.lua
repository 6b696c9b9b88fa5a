-- For each bucket, keys written when the clock was ahead and due behind the claim, with the deadline.
local now, until_ms, limit, out = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), {}
for i, base in ipairs(KEYS) do
  local found, from = {}, 0
  while #found < 2 * limit do
    local page = redis.call('ZRANGEBYSCORE', base .. 'awaited', '(' .. now, '+inf', 'LIMIT', from, 500)
    for _, member in ipairs(page) do
      local due = redis.call('ZSCORE', base .. 'due', member)
      if due and tonumber(due) > until_ms and #found < 2 * limit then
        found[#found + 1] = member
        found[#found + 1] = due
      end
    end
    if #page < 500 then break end
    from = from + 500
  end
  out[i] = found
end
return out
