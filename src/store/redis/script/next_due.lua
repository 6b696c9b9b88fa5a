-- For each bucket, when the next delivery of any product but those named may be leased.
local closed, out = {}, {}
for i = 1, #ARGV do closed[ARGV[i]] = true end
for i, base in ipairs(KEYS) do
  out[i] = false
  local from = 0
  while true do
    local page = redis.call('ZRANGE', base .. 'ready', from, from + 99, 'WITHSCORES')
    for p = 1, #page, 2 do
      if not out[i] and not closed[page[p]] then out[i] = page[p + 1] end
    end
    if out[i] or #page < 200 then break end
    from = from + 100
  end
end
return out
