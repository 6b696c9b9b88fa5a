-- A log entry is written as few fields, because each costs more than most of what stands in it:
--
-- key     "<kind>/<id>"
-- chain   "<sequence> <1 if subscribers may see it, else 0> <the entry before of its key>"
-- said    what else is said of it, a list in JSON: the version of its shape, type, time, source, correlation, user
-- body    what it tells, an object in JSON
--
-- Layouts before the third gave a field of its own to each.
local function fields_of(entry)
  local fields = {}
  for f = 1, #entry[2], 2 do fields[entry[2][f]] = entry[2][f + 1] end
  if fields.chain then
    fields.sequence, fields.visible, fields.before = string.match(fields.chain, '^(%d+) ([01]) (.*)$')
  end
  return fields
end
