"""Argon2id in its threads."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from adapters.passwords import Argon2Passwords

WORDS = "correct horse battery"


@pytest.fixture
def passwords() -> Iterator[Argon2Passwords]:
    """Return a hasher that takes next to no time."""
    cheap = Argon2Passwords(memory_kib=64, time_cost=1, threads=2)
    yield cheap
    cheap.close()


async def test_a_password_is_known_again_and_no_other(passwords: Argon2Passwords) -> None:
    digest = await passwords.hash(WORDS)
    assert digest.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert await passwords.verify(WORDS, digest)
    assert not await passwords.verify(f"{WORDS} ", digest)
    assert not await passwords.verify("", digest)


async def test_two_hashes_of_a_password_differ(passwords: Argon2Passwords) -> None:
    assert await passwords.hash(WORDS) != await passwords.hash(WORDS)


async def test_a_password_is_the_same_however_its_letters_are_composed(
    passwords: Argon2Passwords,
) -> None:
    digest = await passwords.hash("Bu\u0308cher im Fru\u0308hling")
    assert await passwords.verify("B\u00fccher im Fr\u00fchling", digest)


async def test_nothing_is_cut_off(passwords: Argon2Passwords) -> None:
    digest = await passwords.hash("x" * 127 + "y")
    assert not await passwords.verify("x" * 128, digest)


@pytest.mark.parametrize("digest", [None, "", "not a hash", "$argon2id$v=19$m=64,t=1,p=1$AA$AA"])
async def test_without_a_good_hash_no_password_is_right(
    passwords: Argon2Passwords, digest: str | None
) -> None:
    assert not await passwords.verify(WORDS, digest)


async def test_what_is_no_text_does_not_break_it(passwords: Argon2Passwords) -> None:
    assert await passwords.verify("\ud800\x00", await passwords.hash("\ud800\x00"))
    assert not await passwords.verify("x" * 10_000_000, await passwords.hash(WORDS))


async def test_hashes_with_other_parameters_are_outdated(passwords: Argon2Passwords) -> None:
    stronger = Argon2Passwords(memory_kib=128, time_cost=1, threads=1)
    assert passwords.is_outdated(await stronger.hash(WORDS))
    assert not passwords.is_outdated(await passwords.hash(WORDS))
    assert await passwords.verify(WORDS, await stronger.hash(WORDS))
    stronger.close()


async def test_however_many_hashes_are_asked_for_they_run_in_few_threads(
    passwords: Argon2Passwords,
) -> None:
    await asyncio.gather(*(passwords.hash(WORDS) for _ in range(20)))
    ours = [thread for thread in threading.enumerate() if thread.name.startswith("argon2")]
    assert 1 <= len(ours) <= 2
