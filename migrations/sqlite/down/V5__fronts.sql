CREATE INDEX outbox_front ON outbox (lane) WHERE due_ms IS NOT NULL;
