"""Registers a product with a published client, posts to it and hears it, with nothing but what the client returned.

    python onboard.py named|project BASE_URL

Generations: named (the caller names the product), project (the connector does). Kinds of lines: registered, refused,
renewed, actions, log (warnings and worse).
"""

import asyncio
import json
import logging
import sys

import httpx

from autoplay_sdk import AsyncConnectorClient
from autoplay_sdk.admin import onboard_product


def report(kind, **fields):
    print(json.dumps({"kind": kind, **fields}), flush=True)


class Reporter(logging.Handler):
    def emit(self, record):
        report("log", message=record.getMessage())


def click(label):
    return {
        "event": "$autocapture",
        "event_type": "click",
        "session_id": "s-1",
        "distinct_id": "u-1",
        "current_url": "https://app.northwind.example/team",
        "button_or_link_text": label,
    }


def shown(generation, result):
    """What somebody would copy from the result: where and how to post, where and how to listen."""
    if generation == "named":
        return {
            "product_id": result.product_id,
            "post": [result.webhook_url, "X-PostHog-Secret", result.webhook_secret],
            "listen": [result.stream_url, result.unkey_key],
        }
    base = result.ingest_url.split("/ingest/")[0]
    return {
        "product_id": result.product_id,
        "owner_token": result.owner_token,
        "post": [result.ingest_url, "Authorization", f"Bearer {result.ingest_secret}"],
        "listen": [f"{base}/stream/{result.product_id}", result.mcp_key],
    }


async def register(generation, base, **more):
    named = {"contact_email": "ops@northwind.example", "connector_url": base}
    provider = {} if generation == "named" else {"user_activity_provider": "posthog"}
    result = await onboard_product("northwind", **named, **provider, **more)
    return shown(generation, result)


async def hear(listen, post, label):
    url, token = listen
    connected, heard = asyncio.Event(), asyncio.Queue()

    async def on_actions(payload):
        await heard.put(payload.to_text())

    client = AsyncConnectorClient(url=url, token=token, on_connect=connected.set)
    client.on_actions(on_actions)
    task = client.run_in_background()
    await connected.wait()
    address, header, secret = post
    async with httpx.AsyncClient() as http:
        answer = await http.post(address, headers={header: secret}, json=click(label))
    report("actions", status=answer.status_code, text=await heard.get())
    client.stop()
    await task


async def run(generation, base):
    first = await register(generation, base)
    report("registered", **first)
    await hear(first["listen"], first["post"], "First")
    try:
        await register(generation, base)
    except Exception as error:
        status = getattr(error, "status_code", None)
        report("refused", error=type(error).__name__, status=status)
    if generation == "named":
        proof = {"force_reregister": True, "webhook_secret": first["post"][2]}
    else:
        proof = {"owner_token": first["owner_token"]}
    second = await register(generation, base, **proof)
    report("renewed", **second)
    # What was there before is still taken, and what is new is taken already.
    await hear(first["listen"], second["post"], "Second")
    await hear(second["listen"], first["post"], "Third")


def main():
    generation, base = sys.argv[1:]
    logging.captureWarnings(True)
    logging.getLogger().addHandler(Reporter(level=logging.WARNING))
    asyncio.run(run(generation, base))


if __name__ == "__main__":
    main()
