-- Back to schema 2.
DROP INDEX keys_written;
ALTER TABLE keys DROP COLUMN padding;
ALTER TABLE keys DROP COLUMN written_h;
CREATE INDEX keys_idle ON keys (written_ms) WHERE due_ms IS NULL AND state IS NOT NULL;
