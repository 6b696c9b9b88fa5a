-- Times are Unix milliseconds of the wall clock. Surrogate numbers keep the big tables narrow.

-- One row per tenant. `last` never goes backwards, not even when retention has emptied the log.
CREATE TABLE products (
    id         INTEGER PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE,
    last_ms    INTEGER NOT NULL DEFAULT 0,
    last_n     INTEGER NOT NULL DEFAULT 0,
    trimmed_ms INTEGER NOT NULL DEFAULT 0,
    trimmed_n  INTEGER NOT NULL DEFAULT 0
) STRICT;

-- One row per key. A row without a state stays as long as log entries refer to it, because it
-- remembers the sequence they reached.
CREATE TABLE keys (
    id         INTEGER PRIMARY KEY,
    product    INTEGER NOT NULL,
    kind       TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    sequence   INTEGER NOT NULL,
    due_ms     INTEGER,
    written_ms INTEGER NOT NULL,
    commits    BLOB,
    state      BLOB,
    UNIQUE (product, kind, name)
) STRICT;

CREATE INDEX keys_due ON keys (due_ms) WHERE due_ms IS NOT NULL;
CREATE INDEX keys_idle ON keys (written_ms) WHERE due_ms IS NULL AND state IS NOT NULL;

-- The log in commit order over all tenants, so that new rows share pages and the oldest go first.
CREATE TABLE log (
    id             INTEGER PRIMARY KEY,
    product        INTEGER NOT NULL,
    ms             INTEGER NOT NULL,
    n              INTEGER NOT NULL,
    key            INTEGER NOT NULL,
    sequence       INTEGER NOT NULL,
    visible        INTEGER NOT NULL,
    schema_version INTEGER NOT NULL,
    type           TEXT    NOT NULL,
    at             REAL    NOT NULL,
    source         TEXT    NOT NULL,
    correlation_id TEXT    NOT NULL,
    user_id        TEXT,
    body           TEXT    NOT NULL
) STRICT;

CREATE UNIQUE INDEX log_history ON log (key, sequence);
CREATE UNIQUE INDEX log_feed ON log (product, ms, n) WHERE visible = 1;

-- Facts that span sessions.
CREATE TABLE index_rows (
    number     INTEGER PRIMARY KEY,
    product    INTEGER NOT NULL,
    space      TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    value      TEXT    NOT NULL,
    expires_ms INTEGER NOT NULL,
    UNIQUE (product, space, id)
) STRICT;

CREATE INDEX index_rows_expiry ON index_rows (expires_ms);

-- Work on its way out. Only the oldest unfinished delivery of a lane has a `due_ms`: a lane that
-- waits costs nothing to those that look for work. For a leased delivery it is the lease's end.
CREATE TABLE outbox (
    seq          INTEGER PRIMARY KEY,
    id           TEXT    NOT NULL UNIQUE,
    product      INTEGER NOT NULL,
    kind         TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    lane         TEXT    NOT NULL,
    status       TEXT    NOT NULL,
    attempts     INTEGER NOT NULL DEFAULT 0,
    created_ms   INTEGER NOT NULL,
    due_ms       INTEGER,
    started_ms   INTEGER,
    unsettled_ms INTEGER,
    finished_ms  INTEGER,
    part         TEXT,
    error        TEXT,
    body         TEXT    NOT NULL
) STRICT;

CREATE INDEX outbox_due ON outbox (due_ms) WHERE due_ms IS NOT NULL;
CREATE INDEX outbox_lane ON outbox (lane, finished_ms) WHERE finished_ms IS NULL;
CREATE INDEX outbox_part ON outbox (lane, part) WHERE part IS NOT NULL;
CREATE INDEX outbox_finished ON outbox (finished_ms) WHERE finished_ms IS NOT NULL;
CREATE INDEX outbox_dead ON outbox (status) WHERE status = 'dead';

-- Inputs that cannot be handled, kept for an operator.
CREATE TABLE parked (
    id     INTEGER PRIMARY KEY,
    key    TEXT    NOT NULL,
    ms     INTEGER NOT NULL,
    reason TEXT    NOT NULL,
    input  TEXT    NOT NULL
) STRICT;

CREATE INDEX parked_age ON parked (ms);

-- Rows that could not be read, kept for an operator.
CREATE TABLE quarantine (
    id      INTEGER PRIMARY KEY,
    what    TEXT NOT NULL,
    address TEXT NOT NULL,
    reason  TEXT NOT NULL,
    content BLOB
) STRICT;

-- Sums that would be slow to count.
CREATE TABLE sums (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO sums VALUES ('log_bytes', 0);
