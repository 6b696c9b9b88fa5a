-- Keeps an input for an operator.
local base, member, now, reason, input = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]
redis.call('ZADD', base .. 'parked', now, cjson.encode({
  number = next_number(base, now), address = member, reason = reason, content = input
}))
return 1
