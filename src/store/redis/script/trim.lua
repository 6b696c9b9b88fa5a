-- Removes so many of the oldest entries of each product named, in one bucket.
local removed = 0
for i = 1, #ARGV, 2 do
  removed = removed + trim(KEYS[1], ARGV[i], tonumber(ARGV[i + 1]), nil)
end
return removed
