-- Back to schema 1: every delivery stays with all that schema 1 knows of it. The calls that were
-- made, and which delivery was sent again as which, are forgotten.
DROP TRIGGER outbox_removed;
DROP TABLE attempts;
DROP INDEX outbox_front;
DROP INDEX outbox_turn;
ALTER TABLE outbox DROP COLUMN revived;
ALTER TABLE outbox DROP COLUMN replay_of;
ALTER TABLE outbox DROP COLUMN http_status;
ALTER TABLE outbox DROP COLUMN calls;
ALTER TABLE outbox DROP COLUMN fence;
