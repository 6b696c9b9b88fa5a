-- Back to schema 5, whose states say everything.
UPDATE keys SET state = CAST(json_insert(
    CAST(state AS TEXT),
    '$.link', json('{"unlinked":{"window":[]}}'),
    '$.fsm.session_id', CAST(state AS TEXT) ->> '$.id',
    '$.fsm.interaction_timeout_s', 20.0,
    '$.fsm.cooldown_period_s', 60.0,
    '$.fsm.proactive', json_object('anchor_at', CAST(state AS TEXT) -> '$.fsm.last_interaction_at'),
    '$.fsm.reactive', json_object('anchor_at', CAST(state AS TEXT) -> '$.fsm.last_interaction_at')
) AS BLOB)
WHERE iif(json_valid(CAST(state AS TEXT)), json_type(CAST(state AS TEXT), '$.fsm'), '') = 'object';
