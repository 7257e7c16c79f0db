"""What the stores of second factors and passkeys promise, real or fake."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from adapters.log_in_tickets import RedisFactorTries, RedisLogInTickets
from adapters.passkey_challenges import RedisPasskeyChallenges
from domain.passkeys import PasskeyInvitation
from domain.refusals import LogInTicketRejected, SecondFactorLocked
from domain.second_factors import FactorPolicy, LogInTicket, SecondFactor
from tests.contracts.conftest import Truth
from tests.factories import a_passkey, a_recovery_code, a_totp_factor, an_account
from tests.fakes.clock import START, FakeClock
from tests.fakes.second_factors import FakeFactorTries, FakeLogInTickets, FakePasskeyChallenges
from usecases.ports.factors import CeremonyFailed, FactorTries, LogInTickets, PasskeyChallenges
from usecases.ports.transactions import Taken

TICKET = LogInTicket.of(an_account())
POLICY = FactorPolicy()


@dataclass(frozen=True, slots=True)
class Stores:
    """The stores, real or fake, and the clock they go by."""

    clock: FakeClock
    tickets: LogInTickets
    tries: FactorTries
    challenges: PasskeyChallenges


@pytest.fixture(params=["fake", "redis"])
async def stores(request: pytest.FixtureRequest, redis: Redis) -> AsyncIterator[Stores]:
    """Return the fakes, then the real ones: both must pass."""
    clock = FakeClock()
    if request.param == "fake":
        yield Stores(
            clock, FakeLogInTickets(clock), FakeFactorTries(clock), FakePasskeyChallenges(clock)
        )
        return
    yield Stores(
        clock,
        RedisLogInTickets(redis, policy=POLICY, clock=clock),
        RedisFactorTries(redis, policy=POLICY),
        RedisPasskeyChallenges(redis, clock=clock),
    )


# --- tickets --------------------------------------------------------------------------------------


async def test_a_ticket_is_shown_for_a_few_tries(stores: Stores) -> None:
    text, expires_at = await stores.tickets.issue(TICKET)
    assert expires_at == START + timedelta(minutes=5)
    for left in (4, 3, 2, 1, 0):
        assert await stores.tickets.show(text) == (TICKET, left)
    with pytest.raises(LogInTicketRejected) as refused:
        await stores.tickets.show(text)
    assert refused.value.path == ("input", "ticket")


async def test_the_last_try_may_still_use_the_ticket(stores: Stores) -> None:
    text, _ = await stores.tickets.issue(TICKET)
    for _ in range(5):
        await stores.tickets.show(text)
    await stores.tickets.redeem(text)


async def test_a_ticket_is_used_once(stores: Stores) -> None:
    text, _ = await stores.tickets.issue(TICKET)
    await stores.tickets.redeem(text)
    for call in (stores.tickets.redeem, stores.tickets.show):
        with pytest.raises(LogInTicketRejected):
            await call(text)


async def test_a_ticket_expires(stores: Stores) -> None:
    text, expires_at = await stores.tickets.issue(TICKET)
    stores.clock.advance(expires_at - START - timedelta(milliseconds=1))
    await stores.tickets.show(text)
    stores.clock.advance(timedelta(milliseconds=1))
    with pytest.raises(LogInTicketRejected):
        await stores.tickets.show(text)


@pytest.mark.parametrize("text", ["", "slt_", "\ud800", "x" * 100_000])
async def test_what_is_no_ticket_is_refused(stores: Stores, text: str) -> None:
    with pytest.raises(LogInTicketRejected):
        await stores.tickets.show(text)


# --- tries ----------------------------------------------------------------------------------------


async def test_an_account_has_five_tries(stores: Stores) -> None:
    account, other = uuid4(), uuid4()
    assert [await stores.tries.take(account) for _ in range(5)] == [4, 3, 2, 1, 0]
    with pytest.raises(SecondFactorLocked) as refused:
        await stores.tries.take(account)
    assert refused.value.retry_after is not None
    assert 890 <= refused.value.retry_after <= 900
    assert await stores.tries.take(other) == 4


async def test_a_right_code_begins_the_count_anew(stores: Stores) -> None:
    account = uuid4()
    for _ in range(5):
        await stores.tries.take(account)
    await stores.tries.forget(account)
    assert await stores.tries.take(account) == 4


# --- challenges -----------------------------------------------------------------------------------


async def test_a_challenge_is_redeemed_once_for_what_it_was_opened_for(stores: Stores) -> None:
    invitation = PasskeyInvitation(account_id=uuid4(), user_handle=bytes(range(64)))
    for what in (invitation, None):
        challenge = await stores.challenges.open(what)
        assert len(challenge) == 32
        assert await stores.challenges.redeem(challenge) == what
        with pytest.raises(CeremonyFailed):
            await stores.challenges.redeem(challenge)


async def test_a_challenge_expires(stores: Stores) -> None:
    challenge = await stores.challenges.open(None)
    stores.clock.advance(timedelta(minutes=5))
    with pytest.raises(CeremonyFailed):
        await stores.challenges.redeem(challenge)


@pytest.mark.parametrize("challenge", [b"", bytes(32), bytes(10_000)])
async def test_what_is_no_challenge_is_refused(stores: Stores, challenge: bytes) -> None:
    with pytest.raises(CeremonyFailed):
        await stores.challenges.redeem(challenge)


# --- the database ---------------------------------------------------------------------------------


async def test_an_account_has_one_app(truth: Truth) -> None:
    account = an_account()
    async with truth.database.begin() as work:
        await work.accounts.add(account)
        factor = await work.factors.add(a_totp_factor(account.id))
    with pytest.raises(Taken):
        async with truth.database.begin() as work:
            await work.factors.add(a_totp_factor(account.id))
    async with truth.database.begin() as work:
        found = await work.factors.of_account(account.id)
        assert found == factor
        assert found is not None
        found.last_step = 2**40
        assert await work.factors.of_account(uuid4()) is None
    async with truth.database.begin() as work:
        found = await work.factors.of_account(account.id)
        assert found is not None
        assert (found.last_step, found.sealed_secret) == (2**40, factor.sealed_secret)


async def test_what_the_owner_sees_of_it(truth: Truth) -> None:
    account, other = an_account(), an_account()
    codes = [a_recovery_code(account.id) for _ in range(3)]
    async with truth.database.begin() as work:
        for one in (account, other):
            await work.accounts.add(one)
            await work.factors.add(a_totp_factor(one.id))
        await work.factors.replace_recovery_codes(account.id, codes)
        await work.factors.replace_recovery_codes(other.id, [a_recovery_code(other.id)])
    assert await truth.reads.second_factor(account.id) is None

    async with truth.database.begin() as work:
        factor = await work.factors.of_account(account.id)
        used = await work.factors.recovery_code(account.id, codes[0].digest)
        assert factor is not None
        assert used is not None
        factor.confirmed_at = used.used_at = START
    assert await truth.reads.second_factor(account.id) == SecondFactor(
        enabled_at=START, recovery_codes_left=2
    )
    assert await truth.reads.second_factor(other.id) is None


async def test_new_recovery_codes_take_the_place_of_the_old(truth: Truth) -> None:
    account, other = an_account(), an_account()
    old, new = a_recovery_code(account.id), a_recovery_code(account.id)
    async with truth.database.begin() as work:
        for one in (account, other):
            await work.accounts.add(one)
        await work.factors.replace_recovery_codes(account.id, [old])
        await work.factors.replace_recovery_codes(account.id, [new])
    async with truth.database.begin() as work:
        assert await work.factors.recovery_code(account.id, old.digest) is None
        found = await work.factors.recovery_code(account.id, new.digest)
        assert found is not None
        assert (found.id, found.used_at) == (new.id, None)
        assert await work.factors.recovery_code(other.id, new.digest) is None


async def test_removing_takes_app_and_codes_of_that_account(truth: Truth) -> None:
    account, other = an_account(), an_account()
    codes = {one.id: a_recovery_code(one.id) for one in (account, other)}
    async with truth.database.begin() as work:
        for one in (account, other):
            await work.accounts.add(one)
            await work.factors.add(a_totp_factor(one.id))
            await work.factors.replace_recovery_codes(one.id, [codes[one.id]])
    async with truth.database.begin() as work:
        await work.factors.remove(account.id)
    async with truth.database.begin() as work:
        assert await work.factors.of_account(account.id) is None
        assert await work.factors.recovery_code(account.id, codes[account.id].digest) is None
        assert await work.factors.of_account(other.id) is not None
        assert await work.factors.recovery_code(other.id, codes[other.id].digest) is not None


async def test_passkeys_are_kept_in_order_and_found_by_their_credential(truth: Truth) -> None:
    account, other = an_account(), an_account()
    passkeys = [a_passkey(account.id, name=f"Key {n}") for n in range(3)]
    async with truth.database.begin() as work:
        for one in (account, other):
            await work.accounts.add(one)
        for passkey in reversed(passkeys):
            await work.passkeys.add(passkey)
    async with truth.database.begin() as work:
        held = await work.passkeys.of_account(account.id)
        assert [(one.id, one.name) for one in held] == [(one.id, one.name) for one in passkeys]
        assert await work.passkeys.of_account(other.id) == []
        found = await work.passkeys.with_credential(passkeys[1].credential_id)
        assert found is not None
        assert found.model_dump() == passkeys[1].model_dump()
        assert await work.passkeys.get(passkeys[1].id) == found
        found.sign_count = 2**32 - 1
        assert await work.passkeys.with_credential(b"unknown") is None
    assert [one.id for one in await truth.reads.passkeys_of(account.id)] == [
        passkey.id for passkey in passkeys
    ]
    read = await truth.reads.passkeys([passkeys[1].id, uuid4()])
    assert [(key, one.sign_count) for key, one in read.items()] == [(passkeys[1].id, 2**32 - 1)]


async def test_a_credential_belongs_to_one_account(truth: Truth) -> None:
    account, other = an_account(), an_account()
    async with truth.database.begin() as work:
        for one in (account, other):
            await work.accounts.add(one)
        passkey = await work.passkeys.add(a_passkey(account.id))
    with pytest.raises(Taken):
        async with truth.database.begin() as work:
            await work.passkeys.add(a_passkey(other.id, credential_id=passkey.credential_id))


async def test_a_removed_passkey_is_gone(truth: Truth) -> None:
    account = an_account()
    kept, doomed = a_passkey(account.id), a_passkey(account.id)
    async with truth.database.begin() as work:
        await work.accounts.add(account)
        for passkey in (kept, doomed):
            await work.passkeys.add(passkey)
    async with truth.database.begin() as work:
        found = await work.passkeys.get(doomed.id)
        assert found is not None
        await work.passkeys.remove(found)
    assert await truth.reads.passkeys_of(account.id) == [kept]
