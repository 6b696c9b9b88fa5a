-- The part of a state that few commits write, apart from the part that all do, so that what a commit writes
-- does not grow with all that a session holds. A row lives as long as the state in `keys`.
CREATE TABLE settled (
    key   INTEGER PRIMARY KEY,
    state BLOB    NOT NULL
) STRICT;

-- The ids of commits are half as long now. What is there stays until newer ones push it out: two halves of an
-- id are no other's id.
