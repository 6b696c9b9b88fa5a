-- A commit changes the row of its key and appends behind the newest rows. What else it would have to
-- touch is spread over the whole file, page by page, so there is as little of that as possible.

-- Entries of one key are a chain instead of an index: each names the row of the one before.
ALTER TABLE log ADD COLUMN previous INTEGER;
UPDATE log SET previous = (
    SELECT before.id FROM log before WHERE before.key = log.key AND before.sequence < log.sequence
    ORDER BY before.sequence DESC LIMIT 1
);
ALTER TABLE keys ADD COLUMN newest INTEGER;
UPDATE keys SET newest = (
    SELECT entry.id FROM log entry WHERE entry.key = keys.id ORDER BY entry.sequence DESC LIMIT 1
);
DROP INDEX log_history;

-- The hour of `written_ms`, NULL without a state. Ageing finds the oldest states by it, and an index
-- on the hour is left alone by all but the first commit of each.
ALTER TABLE keys ADD COLUMN written_h INTEGER;
UPDATE keys SET written_h = written_ms / 3600000 WHERE state IS NOT NULL;
DROP INDEX keys_idle;
CREATE INDEX keys_written ON keys (written_h);

-- Zeros that round the size of a row up, so that a state that grew a little is written in its place
-- and its neighbours stay in theirs.
ALTER TABLE keys ADD COLUMN padding BLOB;
