-- Lays out anew some of the states that layout 1 had, a field for each number; answers where to go on.
local page = redis.call('SCAN', ARGV[1], 'COUNT', 1000)

local function is_state(at)
  for _, base in ipairs(KEYS) do
    local states = base .. 'state:'
    if string.sub(at, 1, #states) == states then return true end
  end
end

for _, at in ipairs(page[2]) do
  local held = is_state(at)
    and redis.pcall('HMGET', at, 'version', 'written', 'due', 'commits', 'sequence', 'newest')
  if held and held[5] then
    local version, written, due, commits, sequence, newest = unpack(held)
    if version then
      local head = version .. ' ' .. (written or '') .. (due and ' 1 ' or ' 0 ') .. (commits or '')
      redis.call('HSET', at, 'head', head)
    end
    redis.call('HSET', at, 'tail', sequence .. ' ' .. (newest or ''))
    redis.call('HDEL', at, 'version', 'written', 'due', 'commits', 'sequence', 'newest')
  end
end
return page[1]
