-- Removes what is past its time, a bounded amount from each kind of row over all buckets.
local log_before, state_before, now, outbox_before, most =
  ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local entries, states, rows, deliveries, pending = 0, 0, 0, 0, 0

for _, base in ipairs(KEYS) do
  local logs = redis.call('ZRANGEBYSCORE', base .. 'logs', '-inf', '(' .. log_before)
  for _, product in ipairs(logs) do
    entries = entries + trim(base, product, most - entries, log_before)
    if entries >= most then break end
  end
  -- Those that were written since move up. Those with a deadline stay, and are few among the oldest, for
  -- deadlines are served.
  local from = 0
  while states < most and from < most do
    local page = redis.call('ZRANGEBYSCORE', base .. 'states', '-inf', '(' .. state_before, 'LIMIT', from,
      500)
    for _, member in ipairs(page) do
      if states >= most then break end
      local _, written = head_of(redis.call('HGET', base .. 'state:' .. member, 'head') or '')
      if written and tonumber(written) >= tonumber(state_before) then
        redis.call('ZADD', base .. 'states', written, member)
      elseif redis.call('ZSCORE', base .. 'due', member) then
        from = from + 1
      else
        forget(base, member)
        states = states + 1
      end
    end
    if #page < 500 then break end
  end
  local expired = redis.call('ZRANGEBYSCORE', base .. 'expires', '-inf', '(' .. now, 'LIMIT', 0, most - rows)
  for _, row in ipairs(expired) do
    drop_row(base, row)
    if string.match(row, '^[^/]*/pending_') then pending = pending + 1 end
  end
  rows = rows + #expired
  local finished = redis.call('ZRANGEBYSCORE', base .. 'finished', '-inf', '(' .. outbox_before, 'LIMIT', 0,
    most - deliveries)
  for _, id in ipairs(finished) do remove(base, id, now) end
  deliveries = deliveries + #finished
  redis.call('ZREMRANGEBYSCORE', base .. 'parked', '-inf', '(' .. outbox_before)
end
return { entries, states, rows, deliveries, pending }
