-- Moves the deadlines of one bucket's keys to the end of the claim, of those that are still as seen.
local base, until_ms, claimed = KEYS[1], ARGV[1], {}
for i = 2, #ARGV, 2 do
  if redis.call('ZSCORE', base .. 'due', ARGV[i]) == ARGV[i + 1] then
    redis.call('ZADD', base .. 'due', until_ms, ARGV[i])
    claimed[#claimed + 1] = ARGV[i]
  end
end
return claimed
