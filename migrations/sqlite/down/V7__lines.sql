-- Back to schema 6, whose settled parts are of one piece: the actions and the keys of all lines, in their order.
UPDATE settled SET state = CAST((
    SELECT json_object(
        'window', json(concat('[', group_concat((
            SELECT group_concat(held.value, ',' ORDER BY held.key)
            FROM json_each(line.value, '$.window') held
        ), ',' ORDER BY line.key), ']')),
        'seen', group_concat(line.value ->> '$.seen', '' ORDER BY line.key)
    )
    FROM json_each(concat(
        '[', replace(rtrim(CAST(settled.state AS TEXT), concat(' ', char(10))), char(10), ','), ']'
    )) line
) AS BLOB)
WHERE json_valid(concat(
    '[', replace(rtrim(CAST(state AS TEXT), concat(' ', char(10))), char(10), ','), ']'
));
