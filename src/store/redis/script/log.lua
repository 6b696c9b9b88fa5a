-- The log and the states of one bucket.
--
-- state:<product>/<kind>/<id>   a state: its head, its tail, `state`, its settled part
-- states, due, awaited          states by about the time of their writing; by deadline; with a deadline,
--                               by the time of their writing
-- product:<product>             the newest offset, the newest that was removed, the time of the oldest entry
-- log:<product>                 the entries, a stream whose ids are the offsets
-- gaps:<product>                entries erased from its middle, and the ones before them of their keys
-- logs, heads                   products by the time of their oldest entry; of the newest ever
-- index:<product>/<space>/<id>  "<expiry> <value>"; `expires` has them by expiry
-- <space>s                      index rows of a space that is listed, by when they were first written
-- parked, aside                 inputs and rows that could not be handled

-- What is still there of a chain from an offset on: an entry that was erased left word of the one before.
local function resolve(base, product, offset)
  while offset and offset ~= '' do
    local entry = redis.call('XRANGE', base .. 'log:' .. product, offset, offset)[1]
    if entry then return entry end
    offset = redis.call('HGET', base .. 'gaps:' .. product, offset)
  end
end

-- Removes a state; the sequence of its log stays while there are entries.
local function forget(base, member)
  local at = base .. 'state:' .. member
  local product = string.match(member, '^[^/]*')
  local _, newest = tail_of(redis.call('HGET', at, 'tail') or '')
  unsettle(at)
  redis.call('HDEL', at, 'head', 'state')
  redis.call('ZREM', base .. 'states', member)
  redis.call('ZREM', base .. 'due', member)
  redis.call('ZREM', base .. 'awaited', member)
  if not resolve(base, product, newest) then redis.call('DEL', at) end
end

-- Removes entries of a product's log.
local function drop_entries(base, product, entries)
  local bytes, ids = 0, {}
  for i, entry in ipairs(entries) do
    ids[i] = entry[1]
    bytes = bytes + #(fields_of(entry).body or '')
  end
  redis.call('XDEL', base .. 'log:' .. product, unpack(ids))
  redis.call('HINCRBY', base .. 'counts', 'log_bytes', -bytes)
  local oldest = redis.call('XRANGE', base .. 'log:' .. product, '-', '+', 'COUNT', 1)[1]
  if oldest then
    local ms = string.match(oldest[1], '^%d+')
    redis.call('ZADD', base .. 'logs', ms, product)
    redis.call('HSET', base .. 'product:' .. product, 'oldest', ms)
  else
    redis.call('ZREM', base .. 'logs', product)
    redis.call('HDEL', base .. 'product:' .. product, 'oldest')
  end
end

-- Follows the newest entry of a key that has lost one; a key with neither entries nor state goes.
local function follow(base, product, entry)
  local key = fields_of(entry).key
  if not key then return end
  local at = base .. 'state:' .. product .. '/' .. key
  local sequence, offset = tail_of(redis.call('HGET', at, 'tail') or '')
  if offset ~= entry[1] then return end
  local newest = resolve(base, product, offset)
  if newest then
    redis.call('HSET', at, 'tail', sequence .. ' ' .. newest[1])
  elseif redis.call('HEXISTS', at, 'head') == 0 then
    redis.call('DEL', at)
  end
end

-- Removes one entry from the middle of the log.
local function erase_entry(base, product, entry)
  local before = fields_of(entry).before
  if before and before ~= '' then redis.call('HSET', base .. 'gaps:' .. product, entry[1], before) end
  drop_entries(base, product, { entry })
  follow(base, product, entry)
end

-- Removes an index row.
local function drop_row(base, row)
  redis.call('DEL', base .. 'index:' .. row)
  redis.call('ZREM', base .. 'expires', row)
  redis.call('ZREM', base .. string.match(row, '^[^/]*/([^/]*)') .. 's', row)
end

-- Removes up to `most` of a product's oldest entries, older than `before` if that is given.
local function trim(base, product, most, before)
  local removed = 0
  while removed < most do
    local until_id = before and ('(' .. before .. '-0') or '+'
    local page = redis.call('XRANGE', base .. 'log:' .. product, '-', until_id, 'COUNT',
      math.min(most - removed, 500))
    if #page == 0 then break end
    drop_entries(base, product, page)
    for _, entry in ipairs(page) do follow(base, product, entry) end
    redis.call('HSET', base .. 'product:' .. product, 'trimmed', page[#page][1])
    removed = removed + #page
    -- Nothing older than this is there, so that nobody asks where a chain goes on from it.
    local ms = tonumber(string.match(page[#page][1], '^%d+'))
    for _, gap in ipairs(redis.call('HKEYS', base .. 'gaps:' .. product)) do
      if tonumber(string.match(gap, '^%d+')) < ms then redis.call('HDEL', base .. 'gaps:' .. product, gap) end
    end
  end
  return removed
end
