"""Receives pushes in a FastAPI application, verifies each, and reports it in a line of JSON.

    python receive.py sdk|standardwebhooks SECRET [SEED]

`sdk` verifies with `WebhookReceiver` of autoplay-sdk, `standardwebhooks` with that package. With a seed the application
fails now and then, half of the times after it has kept the push, and once says nothing until whoever pushed is gone. It
ends when its input does. Kinds of lines: listening, push, silent, log (warnings and worse), end.
"""

import asyncio
import base64
import itertools
import json
import logging
import random
import socket
import sys

import uvicorn
from fastapi import FastAPI, Request, Response
from standardwebhooks import Webhook, WebhookVerificationError
from uvicorn.protocols.http.h11_impl import H11Protocol

from autoplay_sdk import WebhookReceiver

STRANGER = "whsec_" + base64.b64encode(b"somebody else's secret of 32 byt").decode()


def report(kind, **fields):
    print(json.dumps({"kind": kind, **fields}), flush=True)


class Reporter(logging.Handler):
    def emit(self, record):
        report("log", message=record.getMessage())


class Sdk:
    def __init__(self, secret):
        self.receiver = WebhookReceiver(secret=secret)

    def verifies(self, body, headers):
        return self.receiver.verify(body, headers.get("X-Connector-Signature"))

    def read(self, body):
        payload = self.receiver.parse(body)
        return payload.session_id, [action.title for action in payload.actions]


class StandardWebhooks:
    def __init__(self, secret):
        self.webhook = Webhook(secret if secret.startswith("whsec_") else secret.encode())

    def verifies(self, body, headers):
        try:
            self.webhook.verify(body, dict(headers))
        except WebhookVerificationError:
            return False
        return True

    def read(self, body):
        payload = json.loads(body)
        return payload["session_id"], [action["title"] for action in payload["actions"]]


class Connection(H11Protocol):
    """A connection that the application can cut."""

    transports = {}

    def connection_made(self, transport):
        super().connection_made(transport)
        self.transports[self.client] = transport


def altered(body, number):
    """The body with one byte changed, at another place each time; what was UTF-8 stays it."""
    other = bytearray(body)
    other[number * 37 % len(body)] ^= 1
    return bytes(other)


def answers(seed):
    """How each push is answered, and whether it is kept before: of 120 fourteen are not just taken."""
    chance = random.Random(seed)
    troubles = itertools.product(["500", "500", "503", "503", "hang up", "hang up", "429"], [False, True])
    hand = [*troubles, *itertools.repeat(("200", True), 106)]
    chance.shuffle(hand)
    yield from [*hand[:60], ("silence", True), *hand[60:]]
    while True:
        chance.shuffle(hand)
        yield from hand


def application(verifier, seed):
    kind = {"sdk": Sdk, "standardwebhooks": StandardWebhooks}[verifier[0]]
    receiver, stranger = kind(verifier[1]), kind(STRANGER)
    planned = itertools.repeat(("200", True)) if seed is None else answers(seed)
    numbers = itertools.count()
    app = FastAPI()

    @app.post("/activity")
    async def activity(request: Request):
        body, headers = await request.body(), request.headers
        verdicts = {
            "ours": receiver.verifies(body, headers),
            "altered": receiver.verifies(altered(body, next(numbers)), headers),
            "stranger": stranger.verifies(body, headers),
        }
        answer, is_kept = next(planned) if verdicts["ours"] else ("401", False)
        session, titles = receiver.read(body)
        report(
            "push",
            verdicts=verdicts,
            session=session,
            titles=titles,
            delivery=headers["X-Connector-Delivery"],
            attempt=int(headers["X-Connector-Attempt"]),
            answer=answer,
            is_kept=is_kept,
        )
        if answer == "hang up":
            Connection.transports[request.scope["client"]].abort()
        if answer == "silence":
            report("silent")
        if not answer.isdigit():
            # Nothing more comes on the connection but word of its end.
            await request.receive()
            return Response()
        return Response(status_code=int(answer), headers={"Retry-After": "1"} if answer == "429" else None)

    return app


async def run(app):
    listener = socket.create_server(("127.0.0.1", 0))
    report("listening", port=listener.getsockname()[1])
    config = uvicorn.Config(app, http=Connection, lifespan="off", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.should_exit = True
    await serving
    report("end")


def main():
    package, secret, *seed = sys.argv[1:]
    logging.captureWarnings(True)
    logging.getLogger().addHandler(Reporter(level=logging.WARNING))
    asyncio.run(run(application((package, secret), seed[0] if seed else None)))


if __name__ == "__main__":
    main()
