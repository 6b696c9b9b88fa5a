
for _ = 1, tonumber(ARGV[next_arg]) do
  local row, is_there, value, expires, is_erasure = ARGV[next_arg + 1], ARGV[next_arg + 2],
    ARGV[next_arg + 3], ARGV[next_arg + 4], ARGV[next_arg + 5]
  next_arg = next_arg + 5
  if is_there == '1' then
    call('SET', base .. 'index:' .. row, expires .. ' ' .. value)
    call('ZADD', base .. 'expires', expires, row)
    if is_erasure == '1' then call('ZADD', base .. 'erasures', 'NX', now, row) end
  else
    call('DEL', base .. 'index:' .. row)
    call('ZREM', base .. 'expires', row)
    if is_erasure == '1' then
      call('ZREM', base .. 'erasures', row)
      news[#news + 1] = 'erased'
    end
  end
end
if #news > 0 then call('PUBLISH', channel, instance .. ' ' .. table.concat(news, '+') .. ' ' .. product) end
return { 'committed' }
