"""Compressed answers."""

import pytest

from api.compression import takes_gzip
from tests.integration.api.service import Service

LONG = "{ long }"


async def size(api: Service, query: str, accept_encoding: str) -> tuple[str | None, int]:
    response = await api.post(query, headers={"accept-encoding": accept_encoding})
    assert response.status_code == 200
    assert "Accept-Encoding" in response.headers["vary"]
    return response.headers.get("content-encoding"), int(response.headers["content-length"])


async def test_a_long_answer_is_compressed_for_who_takes_it(api: Service) -> None:
    coding, compressed = await size(api, LONG, "br, gzip")
    plain, whole = await size(api, LONG, "br")

    assert (coding, plain) == ("gzip", None)
    assert compressed < whole // 4
    answer = await api.post(LONG, headers={"accept-encoding": "gzip"})
    assert answer.json()["data"] == {"long": "story " * 200}


async def test_a_short_one_is_not(api: Service) -> None:
    assert (await size(api, "{ hello }", "gzip"))[0] is None


async def test_secrets_beside_what_a_caller_chose_are_not(api: Service) -> None:
    query = 'mutation { logIn(name: "password") }'

    coding, length = await size(api, query, "gzip")

    assert coding is None
    assert length > len("password") * 200


@pytest.mark.parametrize(
    ("accept_encoding", "taken"),
    [
        ("gzip", True),
        ("GZIP;q=0.5, br", True),
        ("*", True),
        ("br, *;q=0.1", True),
        ("", False),
        ("br", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000, *", False),
        ("*;q=0", False),
    ],
)
def test_what_the_header_says(accept_encoding: str, *, taken: bool) -> None:
    assert takes_gzip(accept_encoding) is taken
