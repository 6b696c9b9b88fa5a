-- A state as it was last written.
return held_at(KEYS[1] .. 'state:' .. ARGV[1])
