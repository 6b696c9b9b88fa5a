-- Back to schema 3, whose states are whole: the newest of the settled part, as many as the state counts as
-- settled, are put in front of what is fresh.
UPDATE keys SET state = CAST(json_set(
    CAST(state AS TEXT), '$.link.unlinked.window', json(concat('[', concat_ws(',',
        (
            SELECT group_concat(held.value, ',' ORDER BY held.key)
            FROM settled s, json_each(CAST(s.state AS TEXT), '$.window') held
            WHERE s.key = keys.id
            AND held.key >= json_array_length(CAST(s.state AS TEXT), '$.window')
                - json_extract(CAST(keys.state AS TEXT), '$.link.unlinked.window.settled')
        ),
        (
            SELECT group_concat(held.value, ',' ORDER BY held.key)
            FROM json_each(CAST(keys.state AS TEXT), '$.link.unlinked.window.fresh') held
        )
    ), ']'))
) AS BLOB)
WHERE iif(
    json_valid(CAST(state AS TEXT)), json_type(CAST(state AS TEXT), '$.link.unlinked.window'), ''
) = 'object';
-- Sixteen characters hold the twelve bytes of one key.
UPDATE keys SET state = CAST(json_set(CAST(state AS TEXT), '$.seen', concat(
    (
        SELECT substr(
            json_extract(CAST(s.state AS TEXT), '$.seen'),
            -16 * json_extract(CAST(keys.state AS TEXT), '$.seen.settled')
        )
        FROM settled s WHERE s.key = keys.id
    ),
    json_extract(CAST(state AS TEXT), '$.seen.fresh')
)) AS BLOB)
WHERE iif(json_valid(CAST(state AS TEXT)), json_type(CAST(state AS TEXT), '$.seen'), '') = 'object';
DROP TABLE settled;
-- Schema 3 has longer ids of commits. Nobody asks for these any more: who might have is gone. The padding is
-- made anew by the next commit.
UPDATE keys SET commits = x'', padding = NULL WHERE state IS NOT NULL;
