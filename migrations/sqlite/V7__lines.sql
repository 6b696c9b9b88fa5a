-- Settled parts are added to, a line at a time, and have room for that behind their last line: spaces.
UPDATE settled SET state = CAST(concat(CAST(state AS TEXT), char(10)) AS BLOB);
