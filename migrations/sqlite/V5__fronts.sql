-- The delivery of a lane that carries a due time is nearly always the oldest that is not finished, which `outbox_lane`
-- leads to. An index of its own was written to twice for every delivery, at places spread over all lanes.
DROP INDEX outbox_front;
