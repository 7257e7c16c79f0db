"""Listening to Redis on a connection that is known to live."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from redis.asyncio.client import PubSub
from redis.exceptions import ConnectionError as ConnectionLost

PULSE = 2.0
"""Seconds of silence after which a connection is tried by a ping, and that it has to answer."""

DEAF = 0.1
"""Seconds after which a listener that did not end is told again."""


async def messages(
    subscription: PubSub, pulse: float = PULSE
) -> AsyncGenerator[dict[str, Any], None]:
    """Yield what comes, confirmations too. Raises what redis-py raises for a lost connection.

    One whose end nobody told, since its server or a firewall vanished, would be waited on for ever.
    """
    asked = False
    while True:
        try:
            message = await subscription.get_message(timeout=pulse)
            if message is None and not asked:
                await subscription.ping()
        except (RuntimeError, AttributeError) as fault:
            # What uvloop and redis-py say of a connection that was cut a moment ago.
            raise ConnectionLost(str(fault)) from fault
        if message is None and asked:
            raise ConnectionLost("Redis does not answer a ping")
        asked = message is None
        if message is not None:
            yield message


async def stop(listener: "asyncio.Task[None]", deaf: float = DEAF) -> None:
    """End a task that speaks to Redis, whatever it was ending with.

    Until Python 3.12 `wait_for`, which redis-py sends with, can swallow a cancellation. One that
    has to clear up behind itself needs a longer time until it counts as deaf.
    """
    while not listener.done():
        listener.cancel()
        await asyncio.wait({listener}, timeout=deaf)
    if not listener.cancelled():
        listener.exception()  # of no interest any more
