-- Whether this bucket can be written to: refused where a commit would be.
for _, base in ipairs(KEYS) do redis.call('HSET', base .. 'counts', 'asked', 1) end
return 1
