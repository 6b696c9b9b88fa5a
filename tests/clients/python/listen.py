"""Subscribes with a published client and reports in JSON lines what reaches its callbacks.

    python listen.py sync|async URL TOKEN

It ends when its input does. Kinds of lines: connected, actions, log (warnings and worse), end.
"""

import asyncio
import dataclasses
import json
import logging
import sys
import threading

from autoplay_sdk import AsyncConnectorClient, ConnectorClient

lock = threading.Lock()


def report(kind, **fields):
    with lock:
        print(json.dumps({"kind": kind, **fields}), flush=True)


class Reporter(logging.Handler):
    def emit(self, record):
        report(
            "log",
            logger=record.name,
            message=record.getMessage(),
            traceback=record.exc_info is not None,
        )


def on_connect():
    report("connected")


def on_actions(payload):
    report(
        "actions",
        classes=[type(payload).__name__, *(type(action).__name__ for action in payload.actions)],
        fields=dataclasses.asdict(payload),
        text=payload.to_text(),
    )


def on_summary(payload):
    report("summary", text=payload.to_text())


def run_sync(url, token):
    client = ConnectorClient(url=url, token=token, on_connect=on_connect)
    client.on_actions(on_actions).on_summary(on_summary)
    thread = client.run_in_background()
    sys.stdin.read()
    client.stop()
    thread.join()
    report("end", dropped=client.dropped_count)


async def run_async(url, token):
    async def on_actions_async(payload):
        on_actions(payload)

    client = AsyncConnectorClient(url=url, token=token, on_connect=on_connect)
    client.on_actions(on_actions_async).on_summary(on_summary)
    task = client.run_in_background()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    client.stop()
    await task
    report("end", dropped=0)


def main():
    kind, url, token = sys.argv[1:]
    logging.captureWarnings(True)
    logging.getLogger().addHandler(Reporter(level=logging.WARNING))
    if kind == "sync":
        run_sync(url, token)
    else:
        asyncio.run(run_async(url, token))


if __name__ == "__main__":
    main()
