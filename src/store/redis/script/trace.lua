-- One page of a table: where the next begins ("" after the last), and its rows.
local base, kind, product, cursor, most = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local rows, next_cursor = {}, ''
local function take(row)
  local seen = look(base, kind, product, row)
  if seen then rows[#rows + 1] = { row, seen } end
end

if kind == 'log' then
  local page = redis.call('XRANGE', base .. 'log:' .. product, '(' .. cursor, '+', 'COUNT', most)
  for _, entry in ipairs(page) do take(entry[1]) end
  if #page == tonumber(most) then next_cursor = page[#page][1] end
elseif kind == 'outbox' then
  local page = redis.call('ZRANGEBYSCORE', base .. 'deliveries', '(' .. cursor, '+inf', 'WITHSCORES', 'LIMIT', 0,
    most)
  for i = 1, #page, 2 do take(page[i]) end
  if #page == 2 * tonumber(most) then next_cursor = page[#page] end
else
  local set = kind == 'index' and 'expires' or kind
  local scan = { 'ZSCAN', base .. set, cursor, 'COUNT', most }
  if kind == 'states' or kind == 'index' then
    scan[6], scan[7] = 'MATCH', product .. '/*'
  end
  local found = redis.call(unpack(scan))
  for i = 1, #found[2], 2 do take(found[2][i]) end
  if found[1] ~= '0' then next_cursor = found[1] end
end
return { next_cursor, rows }
