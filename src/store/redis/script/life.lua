-- What a bucket has been called since it was first used, or used again after it had lost everything.
local at = KEYS[1] .. 'life'
local time = redis.call('TIME')
redis.call('SET', at, time[1] .. '.' .. time[2], 'NX')
return redis.call('GET', at)
