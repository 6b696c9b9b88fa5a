"""The connector's ingest in Python, in memory, out of the published SDK's own classes.

What a durable request does in the service is done here as well, but for writing it down: a signed
body is verified and parsed, a redelivery is recognised, the element that was hit is found in its
chain, secrets and identifiers are taken out of the URL, and the action goes to the context store,
the user index, the session's state machine, the log with its frame for subscribers, and to what
waits for the session's conversation or, where it has one, to a note that is posted after a pause.
"""

import asyncio
import hashlib
import hmac
import json
import os
import time
from collections import deque

import httpx
from autoplay_sdk import ActionsPayload, ContextStore, SlimAction, UserSessionIndex
from autoplay_sdk.agent_state.v2.session_state import SessionState
from autoplay_sdk.chat.chatbot import BaseChatbotWriter
from fastapi import FastAPI, HTTPException, Request

import actions

PRODUCT = "acme"
SECRET = os.environ["SECRET"].encode()
VENDOR = os.environ["VENDOR"]
WINDOW_S = 120.0
SEEN_MAX = 1024
LOG_MAX = 50_000


class Notes(BaseChatbotWriter):
    """Posts notes as the service does."""

    def __init__(self) -> None:
        super().__init__(PRODUCT, pre_link_window_s=WINDOW_S)
        self.vendor = httpx.AsyncClient(base_url=VENDOR, headers={"authorization": f"Bearer token-{PRODUCT}"})

    async def _post_note(self, conversation_id: str, body: str) -> str | None:
        note = {"message_type": "note", "type": "admin", "admin_id": "1", "body": body}
        answer = await self.vendor.post(f"/conversations/{conversation_id}/reply", json=note)
        return conversation_id if answer.is_success else None


app = FastAPI()
contexts = ContextStore(lookback_seconds=WINDOW_S)
users = UserSessionIndex(contexts)
notes = Notes()
states: dict[str, SessionState] = {}
seen: dict[str, deque] = {}
log: deque[tuple[int, str]] = deque(maxlen=LOG_MAX)
subscriber: asyncio.Queue = asyncio.Queue(maxsize=256)
appended = 0


@app.post("/sessions/link")
async def link(request: Request) -> dict:
    told = await request.json()
    await notes.on_session_linked(told["session_id"], told["conversation_id"])
    return {"status": "linked"}


@app.post("/webhook/{product_id}")
async def ingest(product_id: str, request: Request) -> dict:
    body = await request.body()
    signature = "sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(signature, request.headers.get("x-posthog-secret", "")):
        raise HTTPException(401, "invalid signature")
    event = json.loads(body)
    session = event["session_id"]

    key = hashlib.sha256(body).digest()[:8]
    recent = seen.setdefault(session, deque(maxlen=SEEN_MAX))
    if key in recent:
        return {"status": "ok", "received": 1, "actions": 0, "dropped": 1}
    recent.append(key)

    payload = read(product_id, session, event, len(recent) - 1)
    contexts.add(payload)
    users.add(payload)
    state = states.get(session)
    if state is None:
        state = states[session] = SessionState(session_id=session)
    state.tick()
    slim = [vars(action) for action in payload.actions]
    await notes.write_actions(state.conversation_id or "", session, slim, payload.user_id, payload.email)
    publish({"type": "actions", **vars(payload), "actions": slim})
    return {"status": "ok", "received": 1, "actions": 1, "dropped": 0}


def read(product_id: str, session: str, event: dict, index: int) -> ActionsPayload:
    """What the event says, as a batch of one action."""
    now = time.time()
    label = actions.describe(event)
    url = actions.redacted(event["current_url"])
    place = actions.canonical(url)
    action = SlimAction.from_dict(
        {
            "title": f"Click {label}",
            "description": f"User clicked {label} on the {actions.page(place)} page",
            "canonical_url": place,
            "index": index,
            "type": event["event_type"],
            "timestamp_start": now,
            "timestamp_end": now,
            "raw_url": url,
            "session_id": session,
            "user_id": event["distinct_id"],
            "email": event["email"],
        }
    )
    return ActionsPayload(
        product_id=product_id,
        session_id=session,
        user_id=action.user_id,
        email=action.email,
        actions=[action],
        count=1,
        forwarded_at=now,
    )


def publish(payload: dict) -> None:
    """Appends the frame that subscribers get, and lets the one that is there have it."""
    global appended
    appended += 1
    frame = json.dumps(payload, separators=(",", ":"))
    log.append((appended, frame))
    if subscriber.full():
        subscriber.get_nowait()
    subscriber.put_nowait(frame)
