"""Forged access tokens at the edge, by a forger who holds the very key of the service."""

from collections.abc import AsyncIterator

import pytest

from tests.figures import Figures
from tests.forger import Forger
from tests.integration.accounts.town import Client, Town, town

VIEWER = "{ viewer { email } }"


@pytest.fixture
async def place(postgres_url: str, redis_url: str) -> AsyncIterator[Town]:
    async with town(postgres_url, redis_url) as running:
        yield running


async def test_no_forged_token_opens_anything(place: Town, figures: Figures) -> None:
    await place.account()
    mira = Client(place)
    await mira.log_in()
    signer = await place.container.keyring.signer()
    forger = Forger(mira.token or "", signer.private)
    mira.token = forger.forged()
    assert await mira.email() is not None

    refused = 0
    for what, token in forger.all(place.container.clock.now()):
        if not (token and token.isascii()):
            continue  # no client could put it into a header
        mira.token = token
        answer = await mira.run(VIEWER)
        assert mira.response is not None
        assert mira.response.status_code < 500, what
        assert (answer["data"] or {}).get("viewer") is None, what
        codes = {error["extensions"]["code"] for error in answer["errors"]}
        assert codes <= {"UNAUTHENTICATED", "TOKEN_EXPIRED"}, (what, codes)
        refused += 1
    figures.show("forged access tokens over HTTP, signed by our own key", f"{refused} refused")
