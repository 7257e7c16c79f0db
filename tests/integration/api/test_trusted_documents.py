"""Documents that clients name by their hash."""

from hashlib import sha256
from pathlib import Path

import orjson
import pytest

from api.graphql.trusted import RegistryUnreadable, TrustedDocuments
from tests.integration.api.service import Service, service

GREETING = "query Greeting($name: String) { hello(name: $name) }"
RENAMING = 'mutation { rename(name: "x") }'
HASHES = {text: sha256(text.encode()).hexdigest() for text in (GREETING, RENAMING)}
REGISTRY = TrustedDocuments({digest: text for text, digest in HASHES.items()})
RESPONSE = {"accept": "application/graphql-response+json"}


def named(text: str) -> dict[str, str]:
    return {"documentId": f"sha256:{HASHES[text]}"}


def persisted(text: str) -> dict[str, object]:
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": HASHES[text]}}}


async def ask(api: Service, **parameters: object) -> tuple[int, object]:
    """Send parameters without a `query`; return the status, and the data or the code."""
    response = await api.http.post(f"{api.url}/graphql", json=parameters, headers=RESPONSE)
    answer = response.json()
    if "errors" in answer:
        return response.status_code, answer["errors"][0]["extensions"]["code"]
    return response.status_code, answer["data"]


async def test_a_document_runs_by_its_hash_in_both_spellings() -> None:
    async with service(trusted=REGISTRY) as api:
        for how in (named, persisted):
            assert await ask(api, **how(GREETING), variables={"name": "you"}) == (
                200,
                {"hello": "Hello, you!"},
            )


async def test_an_unknown_hash_is_told_in_words_that_apollo_knows() -> None:
    async with service() as api:
        for how in (named, persisted):
            response = await api.http.post(f"{api.url}/graphql", json=how(GREETING))
            [error] = response.json()["errors"]
            assert error["message"] == "PersistedQueryNotFound"
            assert error["extensions"]["code"] == "NOT_FOUND"

        again = await api.post(GREETING, headers=None, **persisted(GREETING))
        assert again.json()["data"] == {"hello": "Hello, world!"}


@pytest.mark.parametrize(
    "parameters",
    [
        {"documentId": "abc"},
        {"documentId": 7},
        {"extensions": {"persistedQuery": {"version": 2, "sha256Hash": "ab"}}},
        {"extensions": {"persistedQuery": {"version": 1}}},
        {"extensions": {"persistedQuery": "x"}},
        {"query": RENAMING, **named(GREETING)},
        {"query": "{ hello }", **persisted(GREETING)},
    ],
)
async def test_a_hash_that_is_none_or_another_documents_is_400(
    parameters: dict[str, object],
) -> None:
    async with service(trusted=REGISTRY) as api:
        assert await ask(api, **parameters) == (400, "VALIDATION_FAILED")

    assert api.watch.mutations == []


async def test_get_needs_no_other_header_for_a_trusted_query() -> None:
    async with service(trusted=REGISTRY) as api:
        query = await api.http.get(f"{api.url}/graphql", params=named(GREETING))
        mutation = await api.http.get(f"{api.url}/graphql", params=named(RENAMING))
        smuggled = await api.http.get(
            f"{api.url}/graphql", params={**named(GREETING), "query": "{ hello }"}
        )

    assert query.json()["data"] == {"hello": "Hello, world!"}
    assert (mutation.status_code, mutation.headers["allow"]) == (405, "POST")
    assert smuggled.status_code == 403
    assert api.watch.mutations == []


async def test_where_they_are_demanded_nothing_else_runs() -> None:
    only = TrustedDocuments({HASHES[GREETING]: GREETING}, only=True)
    async with service(trusted=only) as api:
        assert await ask(api, **named(GREETING)) == (200, {"hello": "Hello, world!"})
        assert await ask(api, query=GREETING) == (200, {"hello": "Hello, world!"})
        assert await ask(api, query=RENAMING) == (400, "FORBIDDEN")
        assert await ask(api, query=RENAMING, **persisted(RENAMING)) == (400, "FORBIDDEN")
        async with api.socket(init=None) as talk:
            await talk.say(id="1", type="subscribe", payload=named(GREETING))
            assert (await talk.hear())["type"] == "next"
            await talk.hear()
            await talk.start("2", RENAMING)
            assert (await talk.hear())["type"] == "error"

    assert api.watch.mutations == []


def test_a_registry_is_a_folder_with_a_file_a_client(tmp_path: Path) -> None:
    (tmp_path / "relay.json").write_bytes(orjson.dumps({HASHES[GREETING]: GREETING}))
    (tmp_path / "apollo.json").write_bytes(
        orjson.dumps(
            {
                "format": "apollo-persisted-query-manifest",
                "version": 1,
                "operations": [{"id": HASHES[RENAMING], "body": RENAMING}],
            }
        )
    )

    registry = TrustedDocuments.load(tmp_path)

    assert len(registry) == 2
    assert registry.text(HASHES[RENAMING]) == RENAMING
    assert GREETING in registry
    assert "{ hello }" not in registry


@pytest.mark.parametrize("content", [b"[]", b"{", b'{"format": "apollo-persisted-query-manifest"}'])
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "app.json").write_bytes(content)

    with pytest.raises(RegistryUnreadable, match=r"app\.json"):
        TrustedDocuments.load(tmp_path)


def test_a_text_under_a_wrong_hash_is_refused(tmp_path: Path) -> None:
    (tmp_path / "app.json").write_bytes(orjson.dumps({HASHES[GREETING]: RENAMING}))

    with pytest.raises(RegistryUnreadable, match=HASHES[GREETING]):
        TrustedDocuments.load(tmp_path)
