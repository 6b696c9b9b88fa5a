
local next_arg = 4

-- How many guards, entries, works and rows there are, the place of the bucket, and whether the settled part of the
-- state is written of as well, and a state that was lost. Most commits are of one shape.
local function shape_of(shape)
  local guards, entries, works, rows, bucket, has_settled, is_restored =
    match(shape, '^(%d+) (%d+) (%d+) (%d+) (%d+) ([01]) ([01])$')
  return tonumber(guards), tonumber(entries), tonumber(works), tonumber(rows), tonumber(bucket), has_settled == '1',
    is_restored == '1'
end

-- The next commit: its shape, what it is, and then its lists. Whatever becomes of it, `next_arg` is behind it.
local function commit()
  local at = next_arg
  local shape, product, now, commit_id, key, version, state, due, written, known = unpack(ARGV, at, at + 9)
  local guards, entries, works, rows, bucket, has_settled, is_restored = 0, 1, 0, 0, 1, false, false
  if shape ~= ORDINARY then
    guards, entries, works, rows, bucket, has_settled, is_restored = shape_of(shape)
  end
  local first_guard = at + (has_settled and 12 or 10)
  local first_entry = first_guard + 4 * guards
  local first_work = first_entry + 3 * entries
  local first_row = first_work + 4 * works
  next_arg = first_row + 5 * rows

  local base = KEYS[bucket]
  local has_state = key ~= ''
  local member = product .. '/' .. key
  local stored = base .. 'state:' .. member
  local base_version = tonumber(version)

  local follows, held_version, before, had_due, commits, sequence, newest = true, 0, nil, false, '', 0, ''
  if has_state then
    local held = call('HMGET', stored, 'head', 'tail')
    if held[1] then held_version, before, had_due, commits = head_of(held[1]) end
    if held[2] then sequence, newest = tail_of(held[2]) end
    if is_restored then
      follows = held_version < base_version
    else
      follows = held_version == base_version
    end
  end
  if not (follows and holds(base, now, first_guard, guards)) then
    return has_state and conflict(base, product, stored, commit_id, commits, newest, known) or {}
  end

  if entries > 0 then
    sequence, newest = append(product_of(base, product), key, now, sequence, newest, first_entry, entries)
  end
  if has_state then
    local head = base_version + 1 .. ' ' .. written .. (due == '' and ' 0 ' or ' 1 ') .. remember(commits, commit_id)
    call('HSET', stored, 'head', head, 'tail', sequence .. ' ' .. newest, 'state', state)
    if has_settled then settle(stored, ARGV[at + 10], ARGV[at + 11]) end
    remind(base, member, before, written, had_due, due)
  end
  if works > 0 then outbox(base, product, key, now, first_work, works) end
  if rows > 0 then index(base, product, now, first_row, rows) end
  return 1
end

local answers = {}
for i = 1, tonumber(ARGV[3]) do
  local is_done, answer = pcall(commit)
  if not is_done then
    -- Whatever is refused is refused before anything was written, and all that follows would be as well. What one
    -- commit has met that cannot be is no other's concern.
    local text = type(answer) == 'table' and answer.err or tostring(answer)
    if REFUSALS[match(text, '^%u+')] then return redis.error_reply(text) end
    answer = text
  end
  answers[i] = answer
end

-- First what entries cannot be appended without.
for _, product in ipairs(touched) do
  if product.last then call('HSET', product.base .. 'product:' .. product.name, 'last', product.last) end
end
for _, product in ipairs(touched) do
  local base = product.base
  if product.last then
    call('HINCRBY', base .. 'counts', 'log_bytes', product.bytes)
    call('ZADD', base .. 'heads', product.ms, product.name)
  end
  if #product.news > 0 then
    call('PUBLISH', channel, instance .. ' ' .. table.concat(product.news, '+') .. ' ' .. product.name)
  end
end
return answers
