-- Which parts a lane has recorded, in whichever bucket it is.
local found = {}
for _, base in ipairs(KEYS) do
  for i = 2, #ARGV do
    if redis.call('SISMEMBER', base .. 'parts:' .. ARGV[1], ARGV[i]) == 1 then
      found[#found + 1] = ARGV[i]
    end
  end
end
return found
