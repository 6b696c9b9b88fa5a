-- What each bucket has been called since it was first used, or used again after it had lost everything.
local time = redis.call('TIME')
local lives = {}
for i, base in ipairs(KEYS) do
  redis.call('SET', base .. 'life', time[1] .. '.' .. time[2], 'NX')
  lives[i] = redis.call('GET', base .. 'life')
end
return lives
