-- What is told of a delivery, in this order.
local FIELDS = { 'product', 'key', 'lane', 'body', 'number', 'created', 'status', 'calls', 'due', 'finished',
  'part', 'error', 'http_status', 'replay_of' }
