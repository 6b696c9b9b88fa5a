-- States are written over and over: what need not move with them stays where it is.

-- The hour of `written_ms`, NULL without a state. Ageing finds the oldest states by it, and an index
-- on the hour is left alone by all but the first commit of each.
ALTER TABLE keys ADD COLUMN written_h INTEGER;
UPDATE keys SET written_h = written_ms / 3600000 WHERE state IS NOT NULL;
DROP INDEX keys_idle;
CREATE INDEX keys_written ON keys (written_h);

-- Zeros that round the size of a row up, so that a state that grew a little is written in its place
-- and its neighbours stay in theirs.
ALTER TABLE keys ADD COLUMN padding BLOB;
