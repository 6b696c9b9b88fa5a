
for _ = 1, works do
  local what, id, first, second =
    ARGV[next_arg], ARGV[next_arg + 1], ARGV[next_arg + 2], ARGV[next_arg + 3]
  next_arg = next_arg + 4
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
  if has_work and news[#news] ~= 'outbox' then news[#news + 1] = 'outbox' end
end
