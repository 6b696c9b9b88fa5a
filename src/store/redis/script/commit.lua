-- One commit: check first, then write. KEYS[1] is the bucket; ARGV is read from the front.
local base = KEYS[1]
local at_arg = 0
local function arg()
  at_arg = at_arg + 1
  return ARGV[at_arg]
end
local function each(run)
  for _ = 1, tonumber(arg()) do run() end
end

local channel, instance = arg(), arg()
local product, now, commit_id = arg(), arg(), arg()
local key, version, state, due, written = arg(), tonumber(arg()), arg(), arg(), arg()
local has_settled, settled = arg(), arg()
local has_state = key ~= ''
local member = product .. '/' .. key
local at = base .. 'state:' .. member

local held = {}
if has_state then
  held = redis.call('HMGET', at, 'version', 'sequence', 'commits', 'newest')
end

local holds = not has_state or tonumber(held[1] or 0) == version
each(function()
  local kind, row, is_there, value = arg(), arg(), arg(), arg()
  if kind == 'state' then
    if redis.call('HEXISTS', base .. 'state:' .. row, 'version') == 1 then holds = false end
    return
  end
  local found = redis.call('GET', base .. 'index:' .. row)
  if found then
    local space = string.find(found, ' ', 1, true)
    if tonumber(string.sub(found, 1, space - 1)) < tonumber(now) then
      found = false
    else
      found = string.sub(found, space + 1)
    end
  end
  if is_there == '1' then
    holds = holds and found == value
  else
    holds = holds and not found
  end
end)
if not holds then
  if not has_state then return { 'conflict' } end
  return { 'conflict', redis.call('HMGET', at, 'version', 'sequence', 'commits', 'written', 'state',
    'settled') }
end

local sequence, newest = tonumber(held[2] or 0), held[4]
if has_state then
  local commits = string.sub((held[3] or '') .. commit_id, -COMMITS_BYTES)
  redis.call('HSET', at, 'version', version + 1, 'sequence', sequence, 'commits', commits,
    'written', written, 'state', state)
  if has_settled == '1' then redis.call('HSET', at, 'settled', settled) end
  redis.call('ZADD', base .. 'states', written, member)
  if due ~= '' then
    redis.call('ZADD', base .. 'due', due, member)
    redis.call('ZADD', base .. 'awaited', written, member)
  elseif redis.call('ZREM', base .. 'due', member) == 1 then
    redis.call('ZREM', base .. 'awaited', member)
  end
end

local ms, n, bytes, news = nil, nil, 0, {}
each(function()
  local type, at_s, source, correlation, user, body, visible =
    arg(), arg(), arg(), arg(), arg(), arg(), arg()
  if not ms then
    local last = redis.call('HGET', base .. 'product:' .. product, 'last') or '0-0'
    ms, n = string.match(last, '^(%d+)-(%d+)$')
    ms, n = tonumber(ms), tonumber(n)
  end
  if tonumber(now) > ms then
    ms, n = tonumber(now), 0
  else
    n = n + 1
  end
  sequence = sequence + 1
  local offset = whole(ms) .. '-' .. whole(n)
  redis.call('XADD', base .. 'log:' .. product, offset, 'key', key, 'sequence', sequence, 'schema',
    SCHEMA_VERSION, 'type', type, 'at', at_s, 'source', source, 'correlation', correlation, 'user',
    user, 'body', body, 'visible', visible, 'before', newest or '')
  newest = offset
  bytes = bytes + #body
  if visible == '1' then news[1] = 'feed' end
end)
if ms then
  redis.call('HSET', at, 'sequence', sequence, 'newest', newest)
  redis.call('HSET', base .. 'product:' .. product, 'last', newest)
  redis.call('HINCRBY', base .. 'counts', 'log_bytes', bytes)
  redis.call('ZADD', base .. 'logs', 'NX', whole(ms), product)
  if ms > tonumber(redis.call('HGET', base .. 'counts', 'newest_ms') or 0) then
    redis.call('HSET', base .. 'counts', 'newest_ms', whole(ms))
  end
end

local has_work, has_erased = false, false
each(function()
  local id, lane, body = arg(), arg(), arg()
  has_work = true
  insert(base, product, key, id, lane, body, now, nil)
end)

each(function()
  local change, id, first, second = arg(), arg(), arg(), arg()
  if change == 'attempted' then
    if is_open(redis.call('HGET', base .. 'delivery:' .. id, 'status')) then
      record(base, id, first, second)
    end
  elseif change == 'delivered' then
    finish(base, id, 'delivered', now, first == '1' and second or nil, nil)
  elseif change == 'dead' then
    finish(base, id, 'dead', now, nil, first)
  elseif change == 'withdrawn' then
    finish(base, id, 'withdrawn', now, nil, nil)
  else
    hurry(base, product, id, now)
    has_work = true
  end
end)

each(function()
  local row, is_there, value, expires, is_erasure = arg(), arg(), arg(), arg(), arg()
  if is_there == '1' then
    redis.call('SET', base .. 'index:' .. row, expires .. ' ' .. value)
    redis.call('ZADD', base .. 'expires', expires, row)
    if is_erasure == '1' then redis.call('ZADD', base .. 'erasures', 'NX', now, row) end
  else
    redis.call('DEL', base .. 'index:' .. row)
    redis.call('ZREM', base .. 'expires', row)
    if is_erasure == '1' then
      redis.call('ZREM', base .. 'erasures', row)
      has_erased = true
    end
  end
end)
if has_work then news[#news + 1] = 'outbox' end
if has_erased then news[#news + 1] = 'erased' end
if #news > 0 then
  redis.call('PUBLISH', channel, instance .. ' ' .. table.concat(news, '+') .. ' ' .. product)
end
return { 'committed' }
