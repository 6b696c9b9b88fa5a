-- Index rows as they are stored, in the order asked.
local rows = {}
for i = 1, #ARGV do rows[i] = redis.call('GET', KEYS[1] .. 'index:' .. ARGV[i]) end
return rows
