"""The connector's ingest in Python, in memory, out of the published SDK's own classes.

A signed body is verified and parsed, becomes a typed payload with one action, and goes to the
context store, the user index, the session's state machine and every subscriber's queue. Nothing
is written down, labels come straight from the body, and element chains are not parsed: it does
less than the service it is compared with.
"""

import asyncio
import hashlib
import hmac
import json
import os
import time
from collections import deque

from autoplay_sdk import ActionsPayload, ContextStore, SlimAction, UserSessionIndex
from autoplay_sdk.agent_state.v2.session_state import SessionState
from fastapi import FastAPI, HTTPException, Request

SECRET = os.environ["SECRET"].encode()
WINDOW_S = 120.0
SEEN_MAX = 1024

app = FastAPI()


contexts = ContextStore(lookback_seconds=WINDOW_S)
users = UserSessionIndex(contexts)
states: dict[str, SessionState] = {}
seen: dict[str, deque] = {}
subscriber: asyncio.Queue = asyncio.Queue(maxsize=256)


@app.post("/webhook/{product_id}")
async def ingest(product_id: str, request: Request) -> dict:
    body = await request.body()
    signature = "sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(signature, request.headers.get("x-posthog-secret", "")):
        raise HTTPException(401, "invalid signature")
    event = json.loads(body)
    session = event["session_id"]

    digest = hashlib.sha256(body).digest()[:8]
    recent = seen.setdefault(session, deque(maxlen=SEEN_MAX))
    if digest in recent:
        return {"status": "ok", "received": 1, "actions": 0, "dropped": 1}
    recent.append(digest)

    now = time.time()
    label = event["button_or_link_text"]
    url = event["current_url"]
    action = SlimAction.from_dict(
        {
            "title": f"Click button: {label}",
            "description": f"User clicked the {label} button",
            "canonical_url": url.split("?")[0],
            "index": len(recent) - 1,
            "type": event["event_type"],
            "timestamp_start": now,
            "timestamp_end": now,
            "raw_url": url,
            "session_id": session,
            "user_id": event["distinct_id"],
            "email": event["email"],
        }
    )
    payload = ActionsPayload(
        product_id=product_id,
        session_id=session,
        user_id=action.user_id,
        email=action.email,
        actions=[action],
        count=1,
        forwarded_at=now,
    )
    contexts.add(payload)
    users.add(payload)
    state = states.get(session)
    if state is None:
        state = states[session] = SessionState(session_id=session)
    state.tick()
    if subscriber.full():
        subscriber.get_nowait()
    subscriber.put_nowait(payload)
    return {"status": "ok", "received": 1, "actions": 1, "dropped": 0}
