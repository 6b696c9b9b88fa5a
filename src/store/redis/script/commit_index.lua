
for _ = 1, tonumber(ARGV[next_arg]) do
  local row, is_there, value, expires, listed = ARGV[next_arg + 1], ARGV[next_arg + 2],
    ARGV[next_arg + 3], ARGV[next_arg + 4], ARGV[next_arg + 5]
  next_arg = next_arg + 5
  if is_there == '1' then
    call('SET', base .. 'index:' .. row, expires .. ' ' .. value)
    call('ZADD', base .. 'expires', expires, row)
    if listed ~= '' then call('ZADD', base .. listed .. 's', 'NX', now, row) end
  else
    call('DEL', base .. 'index:' .. row)
    call('ZREM', base .. 'expires', row)
    if listed ~= '' then call('ZREM', base .. listed .. 's', row) end
    if listed == 'erasure' then news[#news + 1] = 'erased' end
  end
  if listed == 'registration' then news[#news + 1] = 'registered' end
end
if #news > 0 then call('PUBLISH', channel, instance .. ' ' .. table.concat(news, '+') .. ' ' .. product) end
return { 'committed' }
