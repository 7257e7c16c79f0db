"""Every operation, asked by everybody, over real HTTP and WebSockets.

A new field of a root type without a row here fails; so does a row that changes anything where its
asker was refused.
"""

from collections.abc import AsyncIterator

import pytest

from schema.schema import schema
from tests.integration.accounts.town import Town, town
from tests.integration.security.cast import HERE, Who, gather_cast
from tests.integration.security.operations import ACTS, READS, WATCHES


@pytest.fixture
async def place(postgres_url: str, redis_url: str) -> AsyncIterator[Town]:
    async with town(postgres_url, redis_url, admin_networks=HERE, trusted_proxies=HERE) as running:
        yield running


def test_every_operation_of_the_schema_has_its_row() -> None:
    core = schema._schema  # noqa: SLF001 - the schema itself
    for root, rows in (
        (core.query_type, READS),
        (core.mutation_type, ACTS),
        (core.subscription_type, WATCHES),
    ):
        assert root is not None
        assert rows.keys() == root.fields.keys()


@pytest.mark.parametrize("name", [*READS, *ACTS, *WATCHES])
async def test_what_everybody_is_told(place: Town, name: str) -> None:
    operation = (READS | ACTS | WATCHES)[name]
    cast = await gather_cast(place)
    ask = cast.watch if name in WATCHES else cast.ask
    told, changed = {}, {}
    for who in sorted(Who, key=lambda who: who is Who.USER):  # whose turn may end what is theirs
        variables = await operation.prepare(cast, who)
        before = await cast.state()
        told[who] = await ask(who, operation.document, variables)
        changed[who] = await cast.state() != before

    assert told == operation.expected
    assert [who for who in Who if changed[who] and operation.must_change_nothing(who)] == []
    doer = Who.USER if told[Who.USER] == "ok" else Who.ADMIN
    assert not operation.changes or changed[doer] or name in UNSEEN


UNSEEN = {"beginPasskeyLogIn", "beginPasskeyRegistration", "requestPasswordReset", "resendOtp"}
"""What these do stands in Redis alone, for the moment."""
