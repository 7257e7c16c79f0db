"""Signing keys: the first one, one after another, and the end of each."""

from dataclasses import dataclass, field
from datetime import timedelta

from adapters.locksmith import Ed25519Locksmith
from domain.audit import Act
from domain.signing_keys import OVERLAP, KeyPolicy, SigningKey, signer
from tests.fakes.clock import START, FakeClock
from tests.fakes.database import FakeDatabase
from usecases.administration.load_signing_keys import LoadSigningKeys
from usecases.administration.rotate_signing_keys import RotateSigningKeys

PROPAGATION = timedelta(minutes=5)


@dataclass
class KeyDesk:
    """The use cases of keys, on fakes."""

    clock: FakeClock = field(default_factory=FakeClock)
    locksmith: Ed25519Locksmith = field(default_factory=lambda: Ed25519Locksmith(bytes(32)))

    def __post_init__(self) -> None:
        self.database = FakeDatabase(self.clock)
        self.load = LoadSigningKeys(self.database, self.locksmith, self.clock)
        self.rotate = RotateSigningKeys(
            self.database, self.locksmith, self.clock, KeyPolicy(propagation=PROPAGATION)
        )

    async def signing(self) -> SigningKey | None:
        """Return the key that signs now."""
        return signer(await self.load(), self.clock.now())


async def test_the_first_process_makes_the_first_key() -> None:
    desk = KeyDesk()
    [first] = await desk.load()
    assert [key.kid for key in await desk.load()] == [first.kid]
    assert (first.signs_from, first.verifies_until) == (START, None)
    [record] = desk.database.audited
    assert record.entry.act is Act.SIGNING_KEYS_ROTATED
    assert record.details
    assert record.details.detail == {"kid": first.kid, "reason": "none signed"}


async def test_a_new_key_is_public_before_it_signs_and_the_old_one_verifies_on() -> None:
    desk = KeyDesk()
    [first] = await desk.load()
    second = await desk.rotate()
    assert [key.kid for key in await desk.load()] == [first.kid, second.kid]
    assert (await desk.signing() or second).kid == first.kid

    desk.clock.advance(PROPAGATION)
    assert (await desk.signing() or first).kid == second.kid
    desk.clock.advance(OVERLAP - timedelta(seconds=1))
    assert len(await desk.load()) == 2

    desk.clock.advance(timedelta(seconds=1))
    assert [key.kid for key in await desk.load()] == [second.kid]
    assert [key.kid for key in desk.database.tables.signing_keys.values()] == [second.kid]
    assert [act for act, _ in desk.database.acts] == [Act.SIGNING_KEYS_ROTATED] * 2


async def test_where_there_was_no_key_the_new_one_signs_at_once() -> None:
    desk = KeyDesk()
    assert (await desk.rotate()).signs_from == START


async def test_a_key_overtaken_before_its_time_never_signs() -> None:
    desk = KeyDesk()
    await desk.load()
    overtaken = await desk.rotate()
    desk.clock.advance(timedelta(minutes=1))
    hasty = RotateSigningKeys(
        desk.database, desk.locksmith, desk.clock, KeyPolicy(propagation=timedelta(0))
    )
    third = await hasty()
    for _ in range(10):
        assert (await desk.signing() or overtaken).kid == third.kid
        desk.clock.advance(timedelta(minutes=1))


async def test_compromised_keys_are_dropped_at_once() -> None:
    desk = KeyDesk()
    await desk.load()
    await desk.rotate()
    new = await desk.rotate(compromised=True)
    assert [key.kid for key in await desk.load()] == [new.kid]
    assert new.signs_from == desk.clock.now()
    details = desk.database.audited[-1].details
    assert details
    assert details.detail == {"kid": new.kid, "reason": "compromised"}


async def test_under_another_secret_there_is_another_key_and_the_old_one_stays() -> None:
    desk = KeyDesk()
    [first] = await desk.load()
    others = LoadSigningKeys(desk.database, Ed25519Locksmith(bytes(range(32))), desk.clock)
    [second] = await others()
    assert second.kid != first.kid
    assert [key.kid for key in await desk.load()] == [first.kid]
    assert [key.kid for key in await others()] == [second.kid]


async def test_what_is_stored_opens_under_our_secret_alone_and_only_whole() -> None:
    locksmith = Ed25519Locksmith(bytes(32))
    key = locksmith.make(created_at=START, signs_from=START)
    other = locksmith.make(created_at=START, signs_from=START)
    opened = locksmith.open(key)
    assert opened
    assert opened.public_key().public_bytes_raw() == key.public_key
    assert opened.private_bytes_raw() not in key.sealed_private_key
    assert not Ed25519Locksmith(bytes(range(32))).opens(key)
    for changed in (
        {"kid": other.kid},
        {"public_key": other.public_key},
        {"public_key": other.public_key, "kid": other.kid},
        {"sealed_private_key": other.sealed_private_key},
        {"sealed_private_key": b""},
        {"algorithm": "none"},
    ):
        assert not locksmith.opens(key.model_copy(update=changed))
