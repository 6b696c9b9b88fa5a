"""Reads states of sessions with the published store and reports each in a JSON line.

    python states.py REDIS_URL

Its input names sessions, each as a line of JSON. It ends when its input does.
Kinds of lines: state, log (warnings and worse).
"""

import asyncio
import json
import logging
import sys
import time

from autoplay_sdk import RedisSessionStateStore


def report(kind, **fields):
    print(json.dumps({"kind": kind, **fields}), flush=True)


class Reporter(logging.Handler):
    def emit(self, record):
        report("log", message=record.getMessage())


async def run(url):
    store = RedisSessionStateStore(redis_url=url)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        session = json.loads(line)
        state = await store.get(session)
        if state is None:
            report("state", state=None)
            continue
        shown = state.to_dict()
        gate = state.can_deliver_proactive()
        # By its own clock: a state whose times were of another would be over at once, or never.
        state.tick()
        report(
            "state",
            state=shown,
            gate=list(gate),
            ticked=state.to_dict()["current_state"],
            age_s=time.monotonic() - shown["last_interaction_at"],
        )
    # The store has no way to be closed, and Python warns of connections that nobody closes.
    await store._redis.aclose()


if __name__ == "__main__":
    logging.getLogger().addHandler(Reporter(logging.WARNING))
    asyncio.run(run(sys.argv[1]))
