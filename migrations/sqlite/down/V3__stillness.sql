-- Back to schema 2, which knows the same in other places.
DROP INDEX keys_written;
ALTER TABLE keys DROP COLUMN padding;
ALTER TABLE keys DROP COLUMN written_h;
ALTER TABLE keys DROP COLUMN newest;
ALTER TABLE log DROP COLUMN previous;
CREATE INDEX keys_idle ON keys (written_ms) WHERE due_ms IS NULL AND state IS NOT NULL;
CREATE UNIQUE INDEX log_history ON log (key, sequence);
