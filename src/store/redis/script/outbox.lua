-- The outbox of one bucket: lanes, and whoever is in front of each.
--
-- delivery:<id>            what it is and how far; `due` only while it is in front of its lane
-- attempts:<id>            the newest calls
-- lane:<product>/<lane>    what is not finished, oldest first
-- front:<product>          lane -> the delivery that waits or is leased
-- ready:<product>          lanes by the time at which their front may be leased
-- ready                    products by the earliest of those times
-- parts:<lane>             what was recorded as posted
-- deliveries, finished     all by number; the finished by time
-- open:<platform>          what waits or is leased, by the time at which it was queued; `platforms` names them

local function is_open(status)
  return status == 'waiting' or status == 'leased'
end

-- Counts a delivery that is open from now on, and was queued at `created`; or one that no longer is.
local function count(base, product, lane, id, created)
  call('HINCRBY', base .. 'counts', 'open', created and 1 or -1)
  local is_named = string.sub(lane, 1, #product + 1) == product .. '/'
  local platform = is_named and string.match(string.sub(lane, #product + 2), '^(.-)/')
  if not platform then return end
  if created then
    call('SADD', base .. 'platforms', platform)
    call('ZADD', base .. 'open:' .. platform, created, id)
  else
    call('ZREM', base .. 'open:' .. platform, id)
  end
end

-- Numbers follow the clock, so that those of different buckets can be compared.
local function next_number(base, now)
  local last = tonumber(call('HGET', base .. 'counts', 'number') or 0)
  local number = whole(math.max(last + 1, tonumber(now) * 1024))
  call('HSET', base .. 'counts', 'number', number)
  return number
end

local function schedule(base, product, lane, due)
  local lanes = base .. 'ready:' .. product
  if due then
    call('ZADD', lanes, due, lane)
  else
    call('ZREM', lanes, lane)
  end
  local first = call('ZRANGE', lanes, 0, 0, 'WITHSCORES')
  if first[2] then
    call('ZADD', base .. 'ready', first[2], product)
  else
    call('ZREM', base .. 'ready', product)
  end
end

-- Makes the oldest of a lane due, unless somebody is in front.
local function advance(base, product, lane, now)
  local front = base .. 'front:' .. product
  if call('HEXISTS', front, lane) == 1 then return end
  local oldest = call('ZRANGE', base .. 'lane:' .. product .. '/' .. lane, 0, 0)[1]
  if not oldest then return end
  call('HSET', base .. 'delivery:' .. oldest, 'due', now)
  call('HSET', front, lane, oldest)
  schedule(base, product, lane, now)
end

local function step_back(base, product, lane, id)
  call('HDEL', base .. 'delivery:' .. id, 'due')
  call('HDEL', base .. 'front:' .. product, lane)
  schedule(base, product, lane, nil)
end

local function insert(base, product, key, id, lane, body, now, replay_of)
  local at = base .. 'delivery:' .. id
  if call('EXISTS', at) == 1 then return end
  local number = next_number(base, now)
  call('HSET', at, 'product', product, 'key', key, 'lane', lane, 'body', body, 'number', number,
    'created', now, 'status', 'waiting', 'fence', 0, 'attempts', 0, 'calls', 0)
  if replay_of then call('HSET', at, 'replay_of', replay_of) end
  call('ZADD', base .. 'lane:' .. product .. '/' .. lane, number, id)
  call('ZADD', base .. 'deliveries', number, id)
  count(base, product, lane, id, now)
  advance(base, product, lane, now)
end

local function record(base, id, attempt, http_status)
  local at = base .. 'delivery:' .. id
  call('HINCRBY', at, 'calls', 1)
  if http_status == '' then
    call('HDEL', at, 'http_status')
  else
    call('HSET', at, 'http_status', http_status)
  end
  call('RPUSH', base .. 'attempts:' .. id, attempt)
  call('LTRIM', base .. 'attempts:' .. id, -ATTEMPTS_MAX, -1)
end

local function finish(base, id, status, now, part, reason)
  local at = base .. 'delivery:' .. id
  local held = call('HMGET', at, 'status', 'product', 'lane', 'due')
  if not is_open(held[1]) then return end
  local product, lane = held[2], held[3]
  call('HSET', at, 'status', status, 'finished', now)
  if part then
    call('HSET', at, 'part', part)
    call('SADD', base .. 'parts:' .. lane, part)
  end
  if reason then call('HSET', at, 'error', reason) end
  call('ZREM', base .. 'lane:' .. product .. '/' .. lane, id)
  call('ZADD', base .. 'finished', now, id)
  count(base, product, lane, id, nil)
  if status == 'dead' then call('HINCRBY', base .. 'counts', 'dead', 1) end
  if held[4] then step_back(base, product, lane, id) end
  advance(base, product, lane, now)
end

-- Whoever waits in front of a lane for a later time is due now.
local function hurry(base, product, lane, now)
  local id = call('HGET', base .. 'front:' .. product, lane)
  if not id then return end
  local at = base .. 'delivery:' .. id
  local held = call('HMGET', at, 'status', 'due')
  if held[1] == 'waiting' and tonumber(held[2]) > tonumber(now) then
    call('HSET', at, 'due', now)
    schedule(base, product, lane, now)
  end
end

-- Removes a delivery with everything about it.
local function remove(base, id, now)
  local at = base .. 'delivery:' .. id
  local held = call('HMGET', at, 'status', 'product', 'lane', 'due', 'part')
  if not held[1] then return end
  local product, lane = held[2], held[3]
  if held[5] then call('SREM', base .. 'parts:' .. lane, held[5]) end
  if held[1] == 'dead' then call('HINCRBY', base .. 'counts', 'dead', -1) end
  if is_open(held[1]) then count(base, product, lane, id, nil) end
  call('ZREM', base .. 'lane:' .. product .. '/' .. lane, id)
  call('ZREM', base .. 'deliveries', id)
  call('ZREM', base .. 'finished', id)
  if held[4] then step_back(base, product, lane, id) end
  call('DEL', at, base .. 'attempts:' .. id)
  advance(base, product, lane, now)
end
