-- A state as it was last written.
return redis.call('HMGET', KEYS[1] .. 'state:' .. ARGV[1], 'head', 'tail', 'state', 'settled')
