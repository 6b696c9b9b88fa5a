-- What a state says of itself is written as two texts, because a field of its own costs more than most numbers do:
--
-- head   "<version> <written> <1 with a deadline, else 0> <ids of the newest commits of its writers>"; it goes with the state
-- tail   "<sequence> <newest entry>"; it outlives the state
local find, match, sub = string.find, string.match, string.sub

-- The version, the time of its writing, whether there is a deadline, and the ids. Nothing follows on what cannot be
-- read.
local function head_of(head)
  local version, written, due, ids = match(head, '^(%d+) (%d+) ([01]) ()')
  if not version then return -1, nil, false, '' end
  return tonumber(version), written, due == '1', sub(head, ids)
end

-- The sequence and the offset of the newest entry, which is empty before the first.
local function tail_of(tail)
  return match(tail, '^(%d+) (.*)$')
end

-- The settled part of a state is a field for each time that something was added: `settled` the first, and `settled <n>`
-- what is behind n bytes.
local function unsettle(at)
  for _, field in ipairs(redis.call('HKEYS', at)) do
    if find(field, '^settled') then redis.call('HDEL', at, field) end
  end
end

local function settle(at, behind, bytes)
  if behind == '0' then
    unsettle(at)
    redis.call('HSET', at, 'settled', bytes)
  else
    redis.call('HSET', at, 'settled ' .. behind, bytes)
  end
end

-- What is held of a state: its head, its tail, the state and its settled part.
local function held_at(at)
  local fields, parts, places = redis.call('HGETALL', at), {}, {}
  local held = {}
  for i = 1, #fields, 2 do
    local behind = match(fields[i], '^settled ?(%d*)$')
    if behind then
      behind = tonumber(behind) or 0
      parts[behind] = fields[i + 1]
      places[#places + 1] = behind
    else
      held[fields[i]] = fields[i + 1]
    end
  end
  table.sort(places)
  for i, behind in ipairs(places) do places[i] = parts[behind] end
  return { held.head or false, held.tail or false, held.state or false, #places > 0 and table.concat(places) }
end
