-- One commit: check first, then write. KEYS[1] is the bucket; ARGV is read from the front. This runs for every
-- request, so that what hardly ever happens is asked for last.
local base = KEYS[1]
local call = redis.call
local next_arg = 18

local function whole(number)
  return string.format('%.0f', number)
end

local channel, instance, product, now, commit_id = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local key, version, state, due, written = ARGV[6], tonumber(ARGV[7]), ARGV[8], ARGV[9], ARGV[10]
local has_settled, settled, is_restored, known = ARGV[11], ARGV[12], ARGV[13], ARGV[14]
local guards, entries, works = tonumber(ARGV[15]), tonumber(ARGV[16]), tonumber(ARGV[17])
local has_state = key ~= ''
local member = product .. '/' .. key
local at = base .. 'state:' .. member

local held = {}
if has_state then
  held = call('HMGET', at, 'version', 'sequence', 'commits', 'newest', 'written', 'due')
end

local holds = true
if has_state then
  local newest = tonumber(held[1] or 0)
  if is_restored == '1' then
    holds = newest < version
  else
    holds = newest == version
  end
end
for _ = 1, guards do
  local kind, row, is_there, value =
    ARGV[next_arg], ARGV[next_arg + 1], ARGV[next_arg + 2], ARGV[next_arg + 3]
  next_arg = next_arg + 4
  if kind == 'state' then
    if call('HEXISTS', base .. 'state:' .. row, 'version') == 1 then holds = false end
  else
    local found = call('GET', base .. 'index:' .. row)
    if found then
      local space = string.find(found, ' ', 1, true)
      local is_over = tonumber(string.sub(found, 1, space - 1)) < tonumber(now)
      found = not is_over and string.sub(found, space + 1)
    end
    if is_there == '1' then
      holds = holds and found == value
    else
      holds = holds and not found
    end
  end
end
if not holds then
  if not has_state then return { 'conflict' } end
  -- A repetition, perhaps of a commit that no replica had yet: replicas are waited for behind a write only.
  if held[3] and string.find(held[3], commit_id, 1, true) then call('HSET', base .. 'counts', 'asked', 1) end
  local news, offset = {}, known ~= '' and call('HGET', at, 'newest')
  while offset and offset ~= '' and #news < NEWS_MAX do
    local entry = call('XRANGE', base .. 'log:' .. product, offset, offset)[1]
    -- In the order of their writing: the second field is the sequence, the last one the entry before. Whatever is
    -- not like that ends the list.
    local fields = entry and entry[2]
    local sequence = fields and tonumber(fields[4])
    if not sequence or sequence <= tonumber(known) then break end
    news[#news + 1] = entry
    offset = fields[#fields]
  end
  return { 'conflict', call('HMGET', at, 'version', 'sequence', 'commits', 'written', 'state', 'settled'), news }
end

local news = {}
local sequence, newest = tonumber(held[2] or 0), held[4] or ''
if entries > 0 then
  local own = base .. 'product:' .. product
  local bounds = call('HMGET', own, 'last', 'oldest')
  local ms, n = string.match(bounds[1] or '0-0', '^(%d+)-(%d+)$')
  ms, n = tonumber(ms), tonumber(n)
  local bytes = 0
  for _ = 1, entries do
    if tonumber(now) > ms then
      ms, n = tonumber(now), 0
    else
      n = n + 1
    end
    sequence = sequence + 1
    local offset = whole(ms) .. '-' .. whole(n)
    local body, visible = ARGV[next_arg + 5], ARGV[next_arg + 6]
    call('XADD', base .. 'log:' .. product, offset, 'key', key, 'sequence', sequence, 'schema',
      SCHEMA_VERSION, 'type', ARGV[next_arg], 'at', ARGV[next_arg + 1], 'source', ARGV[next_arg + 2],
      'correlation', ARGV[next_arg + 3], 'user', ARGV[next_arg + 4], 'body', body, 'visible', visible,
      'before', newest)
    next_arg = next_arg + 7
    newest = offset
    bytes = bytes + #body
    if visible == '1' then news[1] = 'feed' end
  end
  if bounds[2] then
    call('HSET', own, 'last', newest)
  else
    call('HSET', own, 'last', newest, 'oldest', whole(ms))
    call('ZADD', base .. 'logs', whole(ms), product)
  end
  call('HINCRBY', base .. 'counts', 'log_bytes', bytes)
  call('ZADD', base .. 'heads', whole(ms), product)
end

if has_state then
  local commits = string.sub((held[3] or '') .. commit_id, -COMMITS_BYTES)
  call('HSET', at, 'version', version + 1, 'sequence', sequence, 'commits', commits, 'written', written,
    'state', state, 'newest', newest)
  if has_settled == '1' then call('HSET', at, 'settled', settled) end
  -- Ageing looks at the state itself, so that its place need not move with every commit; but it is never
  -- later than the newest writing, or the state would go too late.
  local before, after = tonumber(held[5] or 0), tonumber(written)
  if after < before or math.floor(after / 60000) ~= math.floor(before / 60000) or not held[5] then
    call('ZADD', base .. 'states', written, member)
  end
  if due ~= '' then
    call('ZADD', base .. 'due', due, member)
    call('ZADD', base .. 'awaited', written, member)
    if not held[6] then call('HSET', at, 'due', 1) end
  elseif held[6] then
    call('ZREM', base .. 'due', member)
    call('ZREM', base .. 'awaited', member)
    call('HDEL', at, 'due')
  end
end
