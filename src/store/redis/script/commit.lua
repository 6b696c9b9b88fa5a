-- Commits, one after another, and each in one piece: first it is checked, then written. KEYS are their buckets; ARGV
-- is read from the front. This runs for every request, so that what hardly ever happens is asked for last, and what
-- the commits of one product would each write is written once, at the end.
local call = redis.call
local channel, instance = ARGV[1], ARGV[2]

-- By product: its log as far as it was read, and what is to be told of it.
local products = {}
local touched = {}

local function whole(number)
  return string.format('%.0f', number)
end

local function product_of(base, name)
  local product = products[name]
  if not product then
    product = { base = base, name = name, bytes = 0, news = {} }
    products[name] = product
    touched[#touched + 1] = product
  end
  return product
end

local function tell(product, news)
  for _, told in ipairs(product.news) do
    if told == news then return end
  end
  product.news[#product.news + 1] = news
end

local function holds(base, now, at, guards)
  for guard = at, at + 4 * (guards - 1), 4 do
    local kind, row, is_there, value = unpack(ARGV, guard, guard + 3)
    if kind == 'state' then
      if call('HEXISTS', base .. 'state:' .. row, 'head') == 1 then return false end
    else
      local found = call('GET', base .. 'index:' .. row)
      if found then
        local space = find(found, ' ', 1, true)
        local is_over = tonumber(sub(found, 1, space - 1)) < tonumber(now)
        found = not is_over and sub(found, space + 1)
      end
      if is_there == '1' then
        if found ~= value then return false end
      elseif found then
        return false
      end
    end
  end
  return true
end

-- The newest commits of those that write here, once one is written on what is known of them. Most have one writer.
local function remember(ids, id)
  local writer = sub(id, 1, WRITER_BYTES)
  local at = find(ids, writer, 1, true)
  if at == 1 and #ids == ID_BYTES then return id end
  while at and at % ID_BYTES ~= 1 do
    at = find(ids, writer, at + 1, true)
  end
  if at then ids = sub(ids, 1, at - 1) .. sub(ids, at + ID_BYTES) end
  return sub(ids .. id, -IDS_BYTES)
end

-- What whoever was too late has to know: the state, and what its log has that is newer than `known`.
local function conflict(base, product, at, commit_id, commits, newest, known)
  -- A repetition, perhaps of a commit that no replica had yet: replicas are waited for behind a write only.
  if find(commits, commit_id, 1, true) then call('HSET', base .. 'counts', 'asked', 1) end
  local news, offset = {}, known ~= '' and newest or ''
  while offset ~= '' and #news < NEWS_MAX do
    local entry = call('XRANGE', base .. 'log:' .. product, offset, offset)[1]
    -- Whatever cannot be read ends the list.
    local fields = entry and fields_of(entry)
    local sequence = fields and tonumber(fields.sequence)
    if not sequence or sequence <= tonumber(known) then break end
    news[#news + 1] = entry
    offset = fields.before
  end
  return { held_at(at), news }
end

-- Appends entries behind the newest of their key; answers the sequence and the offset of the last.
local function append(product, key, now, sequence, newest, at, entries)
  local own, log = product.base .. 'product:' .. product.name, product.base .. 'log:' .. product.name
  if not product.ms then
    local bounds = call('HMGET', own, 'last', 'oldest')
    product.ms, product.n = match(bounds[1] or '0-0', '^(%d+)-(%d+)$')
    product.has_oldest = bounds[2]
  end
  for entry = at, at + 3 * (entries - 1), 3 do
    local said, body, visible = ARGV[entry], ARGV[entry + 1], ARGV[entry + 2]
    if tonumber(now) > tonumber(product.ms) then
      product.ms, product.n = now, 0
    else
      product.n = product.n + 1
    end
    sequence = sequence + 1
    local offset = product.ms .. '-' .. whole(product.n)
    local chain = sequence .. ' ' .. visible .. ' ' .. newest
    call('XADD', log, offset, 'key', key, 'chain', chain, 'said', said, 'body', body)
    newest, product.last = offset, offset
    product.bytes = product.bytes + #body
    if not product.has_oldest then
      product.has_oldest = true
      call('HSET', own, 'oldest', product.ms)
      call('ZADD', product.base .. 'logs', product.ms, product.name)
    end
    if visible == '1' then tell(product, 'feed') end
  end
  return sequence, newest
end

-- Says when the state is to be looked at again: by ageing, and because of its deadline.
local function remind(base, member, written_before, written, had_due, due)
  -- Ageing looks at the state itself, so that its place need not move with every commit; but it is never
  -- later than the newest writing, or the state would go too late.
  local before, after = tonumber(written_before or -1), tonumber(written)
  if after < before or math.floor(after / 60000) ~= math.floor(before / 60000) then
    call('ZADD', base .. 'states', written, member)
  end
  if due ~= '' then
    call('ZADD', base .. 'due', due, member)
    call('ZADD', base .. 'awaited', written, member)
  elseif had_due then
    call('ZREM', base .. 'due', member)
    call('ZREM', base .. 'awaited', member)
  end
end
