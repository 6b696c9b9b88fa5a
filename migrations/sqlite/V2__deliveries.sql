-- What operators ask about deliveries, and what leasing them fairly needs.

-- Counts leases: whoever holds an older one has nothing to say any more.
ALTER TABLE outbox ADD COLUMN fence INTEGER NOT NULL DEFAULT 0;
-- How many calls were made, and the status that the newest one was answered with.
ALTER TABLE outbox ADD COLUMN calls INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN http_status INTEGER;
-- The delivery that an operator had sent again as this one, and how often this one was revived.
ALTER TABLE outbox ADD COLUMN replay_of TEXT;
ALTER TABLE outbox ADD COLUMN revived INTEGER NOT NULL DEFAULT 0;

-- From one tenant that has something due to the next, without a look at the rest of its backlog.
CREATE INDEX outbox_turn ON outbox (product, due_ms) WHERE due_ms IS NOT NULL;
-- The one delivery of a lane that carries a due time.
CREATE INDEX outbox_front ON outbox (lane) WHERE due_ms IS NOT NULL;

-- One row per call, the newest of each delivery.
CREATE TABLE attempts (
    delivery    INTEGER NOT NULL,
    number      INTEGER NOT NULL,
    call        TEXT    NOT NULL,
    started_ms  INTEGER NOT NULL,
    took_ms     INTEGER,
    http_status INTEGER,
    outcome     TEXT    NOT NULL,
    reason      TEXT,
    excerpt     TEXT,
    PRIMARY KEY (delivery, number)
) STRICT, WITHOUT ROWID;

-- A delivery takes its calls with it, whoever removes it.
CREATE TRIGGER outbox_removed AFTER DELETE ON outbox BEGIN
    DELETE FROM attempts WHERE delivery = old.seq;
END;
