-- The newest offset of a product's log.
return redis.call('HGET', KEYS[1] .. 'product:' .. ARGV[1], 'last')
