-- Rows by name; those that are gone are left out.
local base, kind, product, rows = KEYS[1], ARGV[1], ARGV[2], {}
for i = 3, #ARGV do
  local seen = look(base, kind, product, ARGV[i])
  if seen then rows[#rows + 1] = { ARGV[i], seen } end
end
return { '', rows }
