"""Password hashes by Argon2id."""

import asyncio
import os
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

T = TypeVar("T")

LONGEST = 1024
"""More characters than any password has (`usecases.accounts.password_rules`): not even hashed."""


class Argon2Passwords:
    """Implements `Passwords`.

    Argon2 releases the GIL, so threads keep it off the event loop. There are as many as cores:
    more would only slow each other down, and everything else.
    """

    def __init__(
        self, *, memory_kib: int, time_cost: int, parallelism: int = 1, threads: int | None = None
    ) -> None:
        self._hasher = PasswordHasher(
            time_cost=time_cost, memory_cost=memory_kib, parallelism=parallelism, type=Type.ID
        )
        # Verified where there is no account, so that the answer takes as long.
        self._dummy = self._hasher.hash(os.urandom(16))
        self._threads = ThreadPoolExecutor(threads or os.cpu_count() or 1, "argon2")

    async def hash(self, password: str) -> str:
        """Return the encoded hash, with its salt and parameters."""
        return await self._in_thread(partial(self._hash, password))

    async def verify(self, password: str, digest: str | None) -> bool:
        """Check a password; without a digest it takes as long, and is False."""
        return await self._in_thread(partial(self._verify, password, digest))

    def is_outdated(self, digest: str) -> bool:
        """Whether a hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(digest)

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _hash(self, password: str) -> str:
        return self._hasher.hash(_bytes(password))

    def _verify(self, password: str, digest: str | None) -> bool:
        try:
            matches = self._hasher.verify(digest or self._dummy, _bytes(password))
        except (VerificationError, InvalidHashError):
            return False
        return matches and digest is not None


def _bytes(password: str) -> bytes:
    """Return the same bytes for what looks the same, and for lone surrogates too."""
    return unicodedata.normalize("NFC", password[:LONGEST]).encode("utf-8", "surrogatepass")
