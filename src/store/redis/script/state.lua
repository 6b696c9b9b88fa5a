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

