local function index(base, product, now, at, rows)
  for write = at, at + 5 * (rows - 1), 5 do
    local row, is_there, value, expires, listed = unpack(ARGV, write, write + 4)
    if is_there == '1' then
      call('SET', base .. 'index:' .. row, expires .. ' ' .. value)
      call('ZADD', base .. 'expires', expires, row)
      if listed ~= '' then call('ZADD', base .. listed .. 's', 'NX', now, row) end
    else
      call('DEL', base .. 'index:' .. row)
      call('ZREM', base .. 'expires', row)
      if listed ~= '' then call('ZREM', base .. listed .. 's', row) end
      if listed == 'erasure' then tell(product_of(base, product), 'erased') end
    end
    if listed == 'registration' then tell(product_of(base, product), 'registered') end
  end
end
