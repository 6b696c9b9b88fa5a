-- Rows as an erasure sees them: what each holds, and what tells whether it has changed since.
local function look(base, kind, product, row)
  if kind == 'states' then
    local held = redis.call('HMGET', base .. 'state:' .. row, 'state', 'head')
    return held[1] and { held[1], string.match(held[2] or '', '^%d*') }
  elseif kind == 'log' then
    local entry = redis.call('XRANGE', base .. 'log:' .. product, row, row)[1]
    if not entry then return false end
    local fields = fields_of(entry)
    local is_read, said = pcall(cjson.decode, fields.said or '')
    local user = is_read and type(said) == 'table' and said[6] or fields.user
    return { fields.key or '', user or '', fields.body or '' }
  elseif kind == 'index' then
    local value = redis.call('GET', base .. 'index:' .. row)
    return value and { value }
  elseif kind == 'outbox' then
    local held = redis.call('HMGET', base .. 'delivery:' .. row, 'product', 'key', 'body')
    return held[1] == product and { held[2], held[3] }
  end
  return redis.call('ZSCORE', base .. kind, row) and { row }
end
