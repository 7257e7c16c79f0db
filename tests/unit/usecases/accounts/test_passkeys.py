"""Passkeys: real signatures of a software authenticator, and all the ways in which they lie."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from domain.accounts import Account
from domain.audit import Act
from domain.deliveries import DeliveryKind
from domain.passkeys import Passkey
from domain.refusals import (
    InvalidInput,
    NotFound,
    PasskeyLimitReached,
    PasskeyRejected,
    PasskeyUnfit,
    SecondFactorRequired,
    WrongCredentials,
)
from domain.sessions import AccessClaims
from tests.app_owner import with_app
from tests.authenticator import (
    ATTESTED,
    BACKED_UP,
    ELIGIBLE,
    PRESENT,
    VERIFIED,
    Authenticator,
    PrivateKey,
    decoded,
    eddsa,
    encoded,
    es256,
)
from tests.fakes.accounts import DEVICE, EMAIL, PASSKEY_ORIGIN, PASSWORD, AccountDesk
from usecases.accounts.open_session import LoggedIn

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Owner:
    """Somebody signed in, with their account's settings before them."""

    desk: AccountDesk
    claims: AccessClaims

    async def options(self, password: str = PASSWORD) -> Mapping[str, Any]:
        begin = self.desk.second_factors["begin_passkey_registration"]
        return await begin(self.claims, password=password, device=DEVICE)

    async def finish(self, credential: object, name: str = "Phone") -> Passkey:
        finish = self.desk.second_factors["finish_passkey_registration"]
        return await finish(self.claims, credential=credential, name=name, device=DEVICE)

    async def add(self, authenticator: Authenticator, name: str = "Phone") -> Passkey:
        return await self.finish(authenticator.create(await self.options()), name)

    async def remove(self, passkey: Passkey, password: str = PASSWORD) -> Account:
        remove = self.desk.second_factors["remove_passkey"]
        return await remove(self.claims, passkey.id, password=password, device=DEVICE)

    async def request(self) -> Mapping[str, Any]:
        return await self.desk.second_factors["begin_passkey_log_in"]()

    async def log_in(self, credential: object) -> LoggedIn:
        finish = self.desk.second_factors["finish_passkey_log_in"]
        return await finish(credential=credential, device=DEVICE)

    @property
    def passkeys(self) -> list[Passkey]:
        return list(self.desk.database.tables.passkeys.values())

    @property
    def acts(self) -> list[Act]:
        return [act for act, _ in self.desk.database.acts]

    @property
    def owed(self) -> list[DeliveryKind]:
        """What the owner is told, apart from where they log in."""
        return [kind for kind, _ in self.desk.owed if kind is not DeliveryKind.NEW_DEVICE]


async def an_owner(desk: AccountDesk, email: str = EMAIL) -> Owner:
    await desk.account(email=email)
    logged_in = await desk.log_in(email=email, password=PASSWORD, device=DEVICE)
    return Owner(desk, await desk.authenticate(logged_in.tokens.access_token))


@pytest.fixture
async def owner(desk: AccountDesk) -> Owner:
    return await an_owner(desk)


@pytest.fixture
def phone() -> Authenticator:
    return Authenticator(PASSKEY_ORIGIN)


# --- registration ---------------------------------------------------------------------------------


async def test_the_options_ask_for_a_discoverable_key_of_a_verified_user(owner: Owner) -> None:
    options = await owner.options()
    assert options["rp"] == {"id": "stories.example", "name": "Storyloom"}
    assert options["user"]["name"] == EMAIL
    assert options["user"]["displayName"] == "Mira"
    assert len(decoded(options["user"]["id"])) == 64
    assert owner.claims.account_id.bytes not in decoded(options["user"]["id"])
    assert options["authenticatorSelection"] == {
        "residentKey": "required",
        "requireResidentKey": True,
        "userVerification": "required",
    }
    assert (options["attestation"], options["timeout"]) == ("none", 300_000)
    assert {param["alg"] for param in options["pubKeyCredParams"]} == {-7, -8, -257}
    assert options["excludeCredentials"] == []


@pytest.mark.parametrize("key", [es256, eddsa])
async def test_a_passkey_is_added_and_logs_in(owner: Owner, key: Callable[[], PrivateKey]) -> None:
    flags = PRESENT | VERIFIED | ELIGIBLE
    phone = Authenticator(PASSKEY_ORIGIN, key=key(), flags=flags)
    passkey = await owner.add(phone, "Mira's  phone ")
    assert (passkey.name, passkey.backed_up, passkey.last_used_at) == ("Mira's phone", False, None)
    assert passkey.transports == ["internal"]
    assert owner.acts[-1] is Act.PASSKEY_ADDED
    assert owner.owed == [DeliveryKind.PASSKEY_ADDED]

    now = owner.desk.clock.advance(timedelta(minutes=1))
    phone.flags |= BACKED_UP
    logged_in = await owner.log_in(phone.get(await owner.request()))
    assert logged_in.account.id == owner.claims.account_id
    assert await owner.desk.authenticate(logged_in.tokens.access_token)
    [stored] = owner.passkeys
    assert (stored.last_used_at, stored.sign_count, stored.backed_up) == (now, 1, True)
    entry = owner.desk.database.audited[-1]
    assert entry.details is not None
    assert (entry.entry.act, entry.details.detail) == (Act.LOGGED_IN, {"method": "passkey"})


async def test_it_takes_the_password_to_begin(owner: Owner) -> None:
    with pytest.raises(WrongCredentials):
        await owner.options(password="something else entirely")


async def test_an_account_has_one_handle_and_excludes_what_it_holds(
    owner: Owner, phone: Authenticator
) -> None:
    first = await owner.options()
    await owner.finish(phone.create(first))
    second = await owner.options()
    assert second["user"]["id"] == first["user"]["id"]
    assert second["excludeCredentials"] == [
        {"id": encoded(phone.credential_id), "type": "public-key", "transports": ["internal"]}
    ]
    stranger = await an_owner(owner.desk, "stranger@readers.example")
    theirs = await stranger.options()
    assert theirs["user"]["id"] != first["user"]["id"]
    assert theirs["excludeCredentials"] == []


@pytest.mark.parametrize(
    "lie",
    [
        {"origin": "https://stories.example.evil.test"},
        {"origin": "http://app.stories.example"},
        {"rp_id": "evil.test"},
        {"challenge": encoded(bytes(32))},
        {"type": "webauthn.get"},
        {"flags": PRESENT},
        {"flags": VERIFIED},
        {"flags": PRESENT | VERIFIED | BACKED_UP},
        {"cross_origin": True},
        {"fmt": "made-up"},
    ],
    ids=str,
)
async def test_a_registration_that_lies_is_refused(
    owner: Owner, phone: Authenticator, lie: Json
) -> None:
    options = await owner.options()
    with pytest.raises(PasskeyUnfit) as refused:
        await owner.finish(phone.create(options, **lie))
    assert refused.value.path == ("input", "credential")
    assert owner.passkeys == []
    assert owner.owed == []


async def test_a_registration_is_good_once(owner: Owner, phone: Authenticator) -> None:
    credential = phone.create(await owner.options())
    await owner.finish(credential)
    with pytest.raises(PasskeyUnfit):
        await owner.finish(credential)
    assert len(owner.passkeys) == 1


async def test_a_registration_expires(owner: Owner, phone: Authenticator) -> None:
    credential = phone.create(await owner.options())
    owner.desk.clock.advance(timedelta(minutes=5))
    with pytest.raises(PasskeyUnfit):
        await owner.finish(credential)


async def test_nobody_finishes_what_another_account_began(
    owner: Owner, phone: Authenticator
) -> None:
    stranger = await an_owner(owner.desk, "stranger@readers.example")
    with pytest.raises(PasskeyUnfit):
        await stranger.finish(phone.create(await owner.options()))
    assert owner.passkeys == []


async def test_a_challenge_of_a_log_in_registers_nothing(
    owner: Owner, phone: Authenticator
) -> None:
    request = await owner.request()
    options = {**await owner.options(), "challenge": request["challenge"]}
    with pytest.raises(PasskeyUnfit):
        await owner.finish(phone.create(options))


async def test_a_credential_is_of_one_account(owner: Owner, phone: Authenticator) -> None:
    await owner.add(phone)
    stranger = await an_owner(owner.desk, "stranger@readers.example")
    for one in (owner, stranger):
        with pytest.raises(PasskeyUnfit):
            await one.add(phone)
    assert [passkey.account_id for passkey in owner.passkeys] == [owner.claims.account_id]


async def test_an_account_holds_ten(owner: Owner) -> None:
    waiting = Authenticator(PASSKEY_ORIGIN).create(await owner.options())
    for _ in range(10):
        await owner.add(Authenticator(PASSKEY_ORIGIN))
    with pytest.raises(PasskeyLimitReached) as refused:
        await owner.options()
    assert refused.value.limit == 10
    with pytest.raises(PasskeyLimitReached):  # begun when there was room
        await owner.finish(waiting)
    assert len(owner.passkeys) == 10


@pytest.mark.parametrize("name", ["", "   ", "x" * 61, "a\x00b", "\u202eenohp", "\ud800"])
async def test_a_name_is_one_line(owner: Owner, phone: Authenticator, name: str) -> None:
    passkey = await owner.add(phone)
    with pytest.raises(InvalidInput) as refused:
        await owner.finish(phone.create(await owner.options()), name)
    assert refused.value.path == ("input", "name")
    with pytest.raises(InvalidInput):
        await owner.desk.second_factors["rename_passkey"](
            owner.claims, passkey.id, name=name, device=DEVICE
        )
    assert [one.name for one in owner.passkeys] == ["Phone"]


# --- log-in ---------------------------------------------------------------------------------------


async def test_the_request_names_nobody(owner: Owner, phone: Authenticator) -> None:
    await owner.add(phone)
    request = dict(await owner.request())
    assert len(decoded(request.pop("challenge"))) == 32
    assert request == {
        "rpId": "stories.example",
        "timeout": 300_000,
        "userVerification": "required",
        "allowCredentials": [],
    }


async def test_a_passkey_counts_as_both_factors(owner: Owner, phone: Authenticator) -> None:
    await owner.add(phone)
    await with_app(owner.desk.second_factors, owner.claims, owner.desk.clock)
    with pytest.raises(SecondFactorRequired):
        await owner.desk.log_in(email=EMAIL, password=PASSWORD, device=DEVICE)
    assert await owner.log_in(phone.get(await owner.request()))


async def test_an_assertion_is_good_once(owner: Owner, phone: Authenticator) -> None:
    phone.count = None  # so that nothing but the challenge could tell
    await owner.add(phone)
    assertion = phone.get(await owner.request())
    await owner.log_in(assertion)
    with pytest.raises(PasskeyRejected):
        await owner.log_in(assertion)
    assert len(owner.desk.database.tables.sessions) == 2


async def test_an_assertion_expires(owner: Owner, phone: Authenticator) -> None:
    await owner.add(phone)
    assertion = phone.get(await owner.request())
    owner.desk.clock.advance(timedelta(minutes=5))
    with pytest.raises(PasskeyRejected):
        await owner.log_in(assertion)


@pytest.mark.parametrize(
    "lie",
    [
        {"origin": "https://stories.example.evil.test"},
        {"rp_id": "evil.test"},
        {"challenge": encoded(bytes(32))},
        {"type": "webauthn.create"},
        {"flags": PRESENT},
        {"flags": VERIFIED},
        {"flags": PRESENT | VERIFIED | ELIGIBLE},
        {"flags": PRESENT | VERIFIED | BACKED_UP},
        {"flags": PRESENT | VERIFIED | ATTESTED},
        {"cross_origin": True},
        {"user_handle": bytes(64)},
        {"user_handle": b""},
    ],
    ids=str,
)
async def test_an_assertion_that_lies_is_refused(
    owner: Owner, phone: Authenticator, lie: Json
) -> None:
    await owner.add(phone)
    with pytest.raises(PasskeyRejected) as refused:
        await owner.log_in(phone.get(await owner.request(), **lie))
    assert refused.value.path == ()
    assert len(owner.desk.database.tables.sessions) == 1
    [stored] = owner.passkeys
    assert (stored.sign_count, stored.last_used_at) == (0, None)


async def test_another_key_signs_in_vain(owner: Owner, phone: Authenticator) -> None:
    await owner.add(phone)
    forged = Authenticator(
        PASSKEY_ORIGIN, credential_id=phone.credential_id, user_handle=phone.user_handle
    )
    with pytest.raises(PasskeyRejected):
        await owner.log_in(forged.get(await owner.request()))
    assert owner.acts[-1] is Act.LOG_IN_FAILED
    assert DeliveryKind.PASSKEY_COPIED not in owner.owed


async def test_a_passkey_opens_its_own_account_only(owner: Owner, phone: Authenticator) -> None:
    await owner.add(phone)
    stranger = await an_owner(owner.desk, "stranger@readers.example")
    tablet = Authenticator(PASSKEY_ORIGIN)
    await stranger.add(tablet)
    with pytest.raises(PasskeyRejected):  # the one's key, the other's name
        await owner.log_in(tablet.get(await owner.request(), user_handle=phone.user_handle))
    logged_in = await owner.log_in(tablet.get(await owner.request()))
    assert logged_in.account.id == stranger.claims.account_id


async def test_unknown_removed_and_closed_are_refused_alike(
    owner: Owner, phone: Authenticator
) -> None:
    with pytest.raises(PasskeyRejected):
        await owner.log_in(phone.get(await owner.request()))
    removed = await owner.add(phone)
    await owner.remove(removed)
    with pytest.raises(PasskeyRejected):
        await owner.log_in(phone.get(await owner.request()))
    tablet = Authenticator(PASSKEY_ORIGIN)
    await owner.add(tablet)
    async with owner.desk.database.begin() as work:
        account = await work.accounts.lock(owner.claims.account_id)
        assert account is not None
        account.close()
    with pytest.raises(PasskeyRejected):
        await owner.log_in(tablet.get(await owner.request()))
    assert Act.LOG_IN_FAILED not in owner.acts


async def test_a_copy_is_refused_noted_and_told(owner: Owner, phone: Authenticator) -> None:
    await owner.add(phone)
    phone.count = 7
    await owner.log_in(phone.get(await owner.request()))
    copy = Authenticator(
        PASSKEY_ORIGIN,
        key=phone.key,
        count=3,
        credential_id=phone.credential_id,
        user_handle=phone.user_handle,
    )
    for _ in range(2):
        with pytest.raises(PasskeyRejected):
            await owner.log_in(copy.get(await owner.request()))
    [stored] = owner.passkeys
    assert stored.sign_count == 8
    entry = owner.desk.database.audited[-1]
    assert entry.entry.act is Act.LOG_IN_FAILED
    assert entry.details is not None
    assert entry.details.detail == {"method": "passkey", "reason": "counter"}
    assert owner.owed[-1] is DeliveryKind.PASSKEY_COPIED
    assert len(owner.desk.database.tables.sessions) == 2
    await owner.log_in(phone.get(await owner.request()))


async def test_one_that_does_not_count_is_never_a_copy(owner: Owner) -> None:
    synced = Authenticator(
        PASSKEY_ORIGIN, flags=PRESENT | VERIFIED | ELIGIBLE | BACKED_UP, count=None
    )
    await owner.add(synced)
    for _ in range(3):
        assert await owner.log_in(synced.get(await owner.request()))


RUBBISH: list[object] = [
    None,
    42,
    "x",
    [],
    {},
    {"response": None},
    {"response": {"clientDataJSON": 1}},
    {"response": {"clientDataJSON": "!"}},
    {"response": {"clientDataJSON": encoded(b"[]")}},
    {"response": {"clientDataJSON": encoded(b'{"type":"","challenge":1,"origin":""}')}},
    {"response": {"clientDataJSON": encoded(b"[" * 10_000)}},
]


@pytest.mark.parametrize("rubbish", RUBBISH, ids=repr)
async def test_rubbish_is_refused(owner: Owner, rubbish: object) -> None:
    with pytest.raises(PasskeyRejected):
        await owner.log_in(rubbish)
    with pytest.raises(PasskeyUnfit):
        await owner.finish(rubbish)


@pytest.mark.parametrize("junk", ["", "A", "!!!!", "_" * 5_000, None, 7, encoded(b"\x9f" * 20_000)])
@pytest.mark.parametrize(
    "part", ["attestationObject", "authenticatorData", "signature", "userHandle", "rawId", "id"]
)
async def test_a_good_answer_with_one_part_of_rubbish_is_refused(
    owner: Owner, phone: Authenticator, part: str, junk: object
) -> None:
    for answer in (phone.create(await owner.options()), None):
        if answer is None:
            await owner.add(phone)
            answer = phone.get(await owner.request())  # noqa: PLW2901 - the second ceremony
        holder = answer if part in answer else answer["response"]
        if part not in holder:
            continue
        holder[part] = junk
        if "attestationObject" in answer["response"]:
            with pytest.raises(PasskeyUnfit):
                await owner.finish(answer)
        else:
            with pytest.raises(PasskeyRejected):
                await owner.log_in(answer)


# --- settings -------------------------------------------------------------------------------------


async def test_a_passkey_is_renamed_by_its_owner(owner: Owner, phone: Authenticator) -> None:
    passkey = await owner.add(phone)
    rename = owner.desk.second_factors["rename_passkey"]
    for _ in range(2):
        renamed = await rename(owner.claims, passkey.id, name=" Old   phone", device=DEVICE)
        assert (renamed.id, renamed.name) == (passkey.id, "Old phone")
    acts = [act for act, _ in owner.desk.database.acts]
    assert acts.count(Act.PASSKEY_RENAMED) == 1
    stranger = await an_owner(owner.desk, "stranger@readers.example")
    for claims, passkey_id in ((stranger.claims, passkey.id), (owner.claims, uuid4())):
        with pytest.raises(NotFound) as refused:
            await rename(claims, passkey_id, name="Mine", device=DEVICE)
        assert refused.value.path == ("input", "passkeyId")
    assert [one.name for one in owner.passkeys] == ["Old phone"]


async def test_a_passkey_is_removed_by_its_owner_with_the_password(
    owner: Owner, phone: Authenticator
) -> None:
    passkey = await owner.add(phone)
    stranger = await an_owner(owner.desk, "stranger@readers.example")
    with pytest.raises(NotFound):
        await stranger.remove(passkey)
    with pytest.raises(WrongCredentials):
        await owner.remove(passkey, password="something else entirely")
    assert len(owner.passkeys) == 1
    await owner.remove(passkey)
    assert owner.passkeys == []
    assert owner.acts[-1] is Act.PASSKEY_REMOVED
    assert owner.owed[-1] is DeliveryKind.PASSKEY_REMOVED
    with pytest.raises(NotFound):
        await owner.remove(passkey)
    assert await owner.desk.log_in(email=EMAIL, password=PASSWORD, device=DEVICE)
