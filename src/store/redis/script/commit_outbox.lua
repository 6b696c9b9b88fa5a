
for work = at, at + 4 * (works - 1), 4 do
  local what, id, first, second = unpack(ARGV, work, work + 3)
  local has_work = false
  if what == 'insert' then
    insert(base, product, key, id, first, second, now, nil)
    has_work = true
  elseif what == 'attempted' then
    if is_open(call('HGET', base .. 'delivery:' .. id, 'status')) then
      record(base, id, first, second)
    end
  elseif what == 'delivered' then
    finish(base, id, 'delivered', now, first == '1' and second or nil, nil)
  elseif what == 'dead' then
    finish(base, id, 'dead', now, nil, first)
  elseif what == 'withdrawn' then
    finish(base, id, 'withdrawn', now, nil, nil)
  else
    hurry(base, product, id, now)
    has_work = true
  end
  if has_work then tell(product_of(base, product), 'outbox') end
end
