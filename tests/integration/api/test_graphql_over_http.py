"""GraphQL over HTTP, row by row."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator

import pytest
from httpx2 import Response

from api.graphql.http import WHERE_SUBSCRIPTIONS_GO
from api.graphql.http_requests import PREFLIGHT_HEADERS
from bootstrap.settings import Environment
from tests.integration.api.service import Service, service

RESPONSE = "application/graphql-response+json"
JSON = "application/json"


def code_of(response: Response) -> str:
    """Return the code of the only error, which every refusal has, in JSON."""
    [error] = response.json()["errors"]
    assert set(response.json()) <= {"errors", "data", "extensions"}
    assert response.json()["extensions"]["requestId"] == response.headers["x-request-id"]
    return str(error["extensions"]["code"])


# --- answer type and status ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        (None, JSON),
        ("*/*", JSON),
        (JSON, JSON),
        (RESPONSE, RESPONSE),
        (f"{RESPONSE}, {JSON}", RESPONSE),
        (f"{JSON}, {RESPONSE}", JSON),
        (f"{JSON};q=0.5, {RESPONSE};q=0.9", RESPONSE),
        (f"{RESPONSE};q=0, {JSON}", JSON),
        (f"{RESPONSE}; charset=utf-8, {JSON}; charset=utf-8", RESPONSE),
        ("application/*", JSON),
        (f"*/*;q=0.1, {RESPONSE}", RESPONSE),
        ("text/plain, */*", JSON),
    ],
)
async def test_accept_decides_by_q_and_order(
    api: Service, accept: str | None, answered: str
) -> None:
    response = await api.http.post(
        f"{api.url}/graphql",
        json={"query": "{ hello }"},
        headers={"accept": accept} if accept else {"accept": ""},
    )

    assert response.status_code == 200
    assert response.headers["content-type"] == f"{answered}; charset=utf-8"
    assert response.json()["data"] == {"hello": "Hello, world!"}


@pytest.mark.parametrize("accept", ["text/html", "image/png", f"{JSON};q=0, text/plain"])
async def test_neither_type_is_possible(api: Service, accept: str) -> None:
    response = await api.post("{ hello }", headers={"accept": accept})

    assert response.status_code == 406
    assert response.headers["content-type"] == f"{JSON}; charset=utf-8"
    assert code_of(response) == "VALIDATION_FAILED"


WRONG = [
    ("{ hello", {}, None),
    ("{ nothing }", {}, None),
    ("query ($n: Int!) { first(count: $n) }", {"n": "one"}, None),
    ("query A { hello }", {}, "B"),
    ("query A { hello } query B { hello }", {}, None),
    ("subscription { count(to: 1) }", {}, None),
    ("", {}, None),
]


@pytest.mark.parametrize(("query", "variables", "name"), WRONG)
async def test_a_request_that_never_began_is_400_without_data(
    api: Service, query: str, variables: object, name: str | None
) -> None:
    response = await api.post(
        query, headers={"accept": RESPONSE}, variables=variables, operationName=name
    )

    assert response.status_code == 400
    assert "data" not in response.json()
    assert code_of(response) == "VALIDATION_FAILED"


@pytest.mark.parametrize(("query", "variables", "name"), WRONG)
async def test_the_same_under_the_old_type_is_200(
    api: Service, query: str, variables: object, name: str | None
) -> None:
    response = await api.post(
        query, headers={"accept": JSON}, variables=variables, operationName=name
    )

    assert response.status_code == 200
    assert "data" not in response.json()
    assert code_of(response) == "VALIDATION_FAILED"


@pytest.mark.parametrize("accept", [JSON, RESPONSE])
async def test_once_execution_began_it_is_200(api: Service, accept: str) -> None:
    response = await api.post("{ hello missing }", headers={"accept": accept})

    assert response.status_code == 200
    assert response.json() == {
        "errors": [
            {
                "message": "Nothing with this id is yours: check the id.",
                "locations": [{"line": 1, "column": 9}],
                "path": ["missing"],
                "extensions": {"code": "NOT_FOUND", "retryable": False, "argumentPath": ["id"]},
            }
        ],
        "data": {"hello": "Hello, world!", "missing": None},
        "extensions": {
            "requestId": response.headers["x-request-id"],
            "cost": {"asked": 2, "limit": 10_000, "remaining": 999_998},
        },
    }


async def test_an_operation_that_costs_too_much_is_not_run() -> None:
    async with service(max_query_cost=20) as api:
        allowed = await api.post('mutation { rename(name: "x") }')
        response = await api.post(
            'mutation { rename(name: "x") again: rename(name: "y") more: rename(name: "z") }',
            headers={"accept": RESPONSE},
        )

    assert allowed.json()["extensions"]["cost"]["asked"] == 10
    assert response.status_code == 400
    assert response.json()["errors"][0]["extensions"] == {
        "code": "QUERY_TOO_COMPLEX",
        "retryable": False,
        "cost": {"asked": 30, "limit": 20},
    }
    assert api.watch.mutations == ["x"]


async def test_a_refused_operation_tells_its_cost_too(api: Service) -> None:
    api.rate_limiter.left_of["cost:address:127.0.0.1"] = 3
    response = await api.post("{ box { name } }")

    assert response.status_code == 429
    assert response.json()["extensions"]["cost"] == {"asked": 4, "limit": 10_000, "remaining": 3}


# --- what HTTP refuses --------------------------------------------------------------------------


@pytest.mark.parametrize("accept", [JSON, RESPONSE])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"42",
        b'"x"',
        b"true",
        b"{",
        b"[" * 50_000,
        b'{"query":' + b"[" * 40_000 + b"]" * 40_000 + b"}",
        b"\xff\xfe",
        b'{"query": "\xff"}',
        b'{"query": "\\ud800"}',
        b"9" * 10_000,
        b'{"query": "{ hello }", "variables": {"n": ' + b"9" * 10_000 + b"}}",
        b"{}",
        b'{"query": null}',
        b'{"query": 1}',
        b'{"query": {}}',
        b'{"query": ["{ hello }"]}',
        b'{"query": "{ hello }", "operationName": 1}',
        b'{"query": "{ hello }", "operationName": {}}',
        b'{"query": "{ hello }", "variables": "{}"}',
        b'{"query": "{ hello }", "variables": []}',
        b'{"query": "{ hello }", "variables": 0}',
        b'{"query": "{ hello }", "extensions": "x"}',
        b'{"query": "{ hello }", "extensions": [1]}',
        b'[{"query": "{ hello }"}, {"query": "{ hello }"}]',
        b"[]",
    ],
)
async def test_a_malformed_body_is_400(api: Service, body: bytes, accept: str) -> None:
    response = await api.send(body, accept=accept)

    assert response.status_code == 400
    assert response.headers["content-type"] == f"{accept}; charset=utf-8"
    assert code_of(response) == "VALIDATION_FAILED"


@pytest.mark.parametrize("extra", ["operationName", "variables", "extensions"])
async def test_null_parameters_count_as_absent(api: Service, extra: str) -> None:
    response = await api.post("{ hello }", **{extra: None})

    assert response.status_code == 200
    assert response.json()["data"] == {"hello": "Hello, world!"}


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "application/json; charset=utf-16",
    ],
)
async def test_another_content_type_is_415(api: Service, content_type: str) -> None:
    response = await api.send(b'{"query": "{ hello }"}', content_type=content_type)

    assert response.status_code == 415
    assert code_of(response) == "VALIDATION_FAILED"
    assert (await api.post("{ hello }")).status_code == 200


async def test_a_compressed_body_is_415(api: Service) -> None:
    response = await api.send(b"\x1f\x8b", content_encoding="gzip")

    assert response.status_code == 415


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
async def test_another_method_is_405_and_says_which(api: Service, method: str) -> None:
    response = await api.http.request(method, f"{api.url}/graphql")

    assert response.status_code == 405
    assert response.headers["allow"] == "GET, POST"
    assert response.headers["content-type"] == f"{JSON}; charset=utf-8"


# --- size ---------------------------------------------------------------------------------------


async def test_the_largest_body_passes_and_one_byte_more_does_not(api: Service) -> None:
    body = b'{"query": "{ hello }"}'

    assert (await api.send(body.ljust(100_000))).status_code == 200
    response = await api.send(body.ljust(100_001))

    assert response.status_code == 413
    assert response.headers["connection"] == "close"
    assert code_of(response) == "PAYLOAD_TOO_LARGE"


async def test_a_body_without_length_is_counted_as_it_comes(api: Service) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 400:
            sent += 1
            yield b" " * 1_000

    response = await api.http.post(
        f"{api.url}/graphql", content=endless(), headers={"content-type": "application/json"}
    )

    assert response.status_code == 413
    assert code_of(response) == "PAYLOAD_TOO_LARGE"


async def test_it_is_refused_before_it_has_come(api: Service) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(
        b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 52428800\r\n\r\n"
    )
    async with asyncio.timeout(1):
        head = await reader.readuntil(b"\r\n\r\n")
    writer.close()

    assert head.startswith(b"HTTP/1.1 413 ")


async def test_a_huge_body_makes_nobody_else_wait(api: Service) -> None:
    huge = asyncio.create_task(api.send(b" " * 50_000_000))
    waits = []
    while not huge.done():
        began = time.perf_counter()
        assert (await api.post("{ hello }")).status_code == 200
        waits.append(time.perf_counter() - began)

    assert (await huge).status_code == 413
    assert max(waits) < 1


# --- operations ---------------------------------------------------------------------------------


async def test_several_operations_need_a_name(api: Service) -> None:
    both = 'query A { hello } query B { hello(name: "B") }'

    unnamed = await api.post(both)
    named = await api.post(both, operationName="B")

    assert "operationName" in unnamed.json()["errors"][0]["message"]
    assert named.json()["data"] == {"hello": "Hello, B!"}


async def test_a_subscription_by_post_is_told_where_to_go(api: Service) -> None:
    response = await api.post("subscription { count(to: 1) }")

    assert response.json()["errors"][0]["message"] == WHERE_SUBSCRIPTIONS_GO


# --- GET ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", PREFLIGHT_HEADERS)
async def test_get_runs_queries_behind_a_header_that_forces_a_preflight(
    api: Service, header: str
) -> None:
    response = await api.http.get(
        f"{api.url}/graphql",
        params={
            "query": "query A($n: String) { hello(name: $n) }",
            "variables": '{"n": "you"}',
            "operationName": "A",
            "extensions": "{}",
        },
        headers={header: "1"},
    )

    assert response.status_code == 200
    assert response.json()["data"] == {"hello": "Hello, you!"}


async def test_get_without_such_a_header_is_refused(api: Service) -> None:
    response = await api.http.get(f"{api.url}/graphql", params={"query": "{ hello }"})

    assert response.status_code == 403
    assert code_of(response) == "FORBIDDEN"


@pytest.mark.parametrize("accept", [JSON, RESPONSE])
async def test_a_mutation_by_get_is_405_and_does_nothing(api: Service, accept: str) -> None:
    response = await api.http.get(
        f"{api.url}/graphql",
        params={"query": 'mutation { rename(name: "x") }'},
        headers={"graphql-require-preflight": "1", "accept": accept},
    )

    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert api.watch.mutations == []


@pytest.mark.parametrize(
    "query_string",
    ["", "query=%FF", "query={hello}&variables={", "query={hello}&variables=[]", "variables={}"],
)
async def test_a_malformed_get_is_400(api: Service, query_string: str) -> None:
    response = await api.http.get(
        f"{api.url}/graphql?{query_string}", headers={"graphql-require-preflight": "1"}
    )

    assert response.status_code == 400
    assert code_of(response) == "VALIDATION_FAILED"


# --- errors -------------------------------------------------------------------------------------


async def test_an_unexpected_error_is_masked_and_bears_the_request_id(api: Service) -> None:
    response = await api.post("{ broken }")

    assert "7531" not in response.text
    assert response.json()["errors"] == [
        {
            "message": "Internal error",
            "locations": [{"line": 1, "column": 3}],
            "path": ["broken"],
            "extensions": {
                "code": "INTERNAL",
                "retryable": False,
                "requestId": response.headers["x-request-id"],
            },
        }
    ]


async def test_what_json_cannot_hold_is_a_masked_error(api: Service) -> None:
    response = await api.post("{ unwritable }")

    assert response.status_code == 200
    assert response.json()["data"] is None
    assert code_of(response) == "INTERNAL"


async def test_refusals_outside_of_unions_are_errors_with_their_facts(api: Service) -> None:
    response = await api.post("{ spent misfit }")

    assert [error["extensions"] for error in response.json()["errors"]] == [
        {"code": "QUOTA_EXCEEDED", "retryable": True, "retryAfter": 60},
        {
            "code": "VALIDATION_FAILED",
            "retryable": False,
            "argumentPath": ["first"],
            "issues": [{"path": ["first"], "code": "too_large", "message": "must be at most 100"}],
        },
    ]


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("query ($w: Wish!) { wish(wish: $w) }", {"w": {"text": {"secret": "s3cr3t-" * 500}}}),
        ("query ($w: Wish!) { wish(wish: $w) }", {"w": {"text": "a", "s3cr3t-": "s3cr3t-" * 500}}),
        ("query ($n: Int) { first(count: $n) }", {"n": "s3cr3t-" * 500}),
        ("query ($at: DateTime!) { moment(at: $at) }", {"at": "s3cr3t-" * 500}),
        ("query ($n: Int) { first(count: $n) }", {"n": 10**30}),
    ],
)
async def test_wrong_variables_are_told_without_their_values(
    api: Service, query: str, variables: object
) -> None:
    response = await api.post(query, headers={"accept": RESPONSE}, variables=variables)

    assert response.status_code == 400
    assert code_of(response) == "VALIDATION_FAILED"
    assert len(response.json()["errors"][0]["message"]) <= 200
    assert response.text.count("s3cr3t-") <= 6


async def test_a_null_variable_where_none_may_be_is_the_callers_fault(api: Service) -> None:
    response = await api.post("query ($n: Int) { first(count: $n) }", variables={"n": None})

    assert code_of(response) == "VALIDATION_FAILED"


@pytest.mark.parametrize("literal", ["9" * 10_000, "-" + "9" * 10_000, "1e" + "9" * 5_000])
async def test_a_monstrous_literal_is_told_briefly(api: Service, literal: str) -> None:
    response = await api.post(f"{{ first(count: {literal}) }}", headers={"accept": RESPONSE})

    assert response.status_code == 400
    assert code_of(response) == "VALIDATION_FAILED"
    assert len(response.content) < 1_000


async def test_production_suggests_no_names() -> None:
    async with service(environment=Environment.PRODUCTION) as api:
        response = await api.post("{ hallo }")
        field = await api.post(
            "query ($w: Wish!) { wish(wish: $w) }", variables={"w": {"text": "", "star": 1}}
        )

    assert "Did you mean" not in response.text + field.text
    assert code_of(response) == code_of(field) == "VALIDATION_FAILED"


# --- the deadline -------------------------------------------------------------------------------


async def test_the_deadline_cancels_the_resolver() -> None:
    async with service(operation_seconds=0.05) as api:
        response = await api.post("{ hello slow }")

        async with asyncio.timeout(1):
            await api.watch.canceled.wait()

    assert response.status_code == 200
    assert response.json()["data"] is None
    assert code_of(response) == "UPSTREAM_UNAVAILABLE"
    assert response.json()["errors"][0]["extensions"]["retryable"] is True


# --- tokens -------------------------------------------------------------------------------------


async def test_a_good_token_names_the_caller(api: Service) -> None:
    token = api.sign_in()

    response = await api.post("{ whoami }", headers={"authorization": f"bearer {token}"})

    assert response.json()["data"] == {"whoami": str(api.tokens[token].account_id)}


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (None, "UNAUTHENTICATED"),
        ("Bearer rubbish", "UNAUTHENTICATED"),
        ("Bearer", "UNAUTHENTICATED"),
        ("Basic abc", "UNAUTHENTICATED"),
    ],
)
async def test_without_one_what_is_open_to_all_still_runs(
    api: Service, authorization: str | None, code: str
) -> None:
    headers = {"authorization": authorization} if authorization else {}

    assert (await api.post("{ hello }", headers=headers)).json()["data"] is not None
    assert code_of(await api.post("{ whoami }", headers=headers)) == code


async def test_an_expired_token_is_told_as_such(api: Service) -> None:
    token = api.sign_in(seconds=-1)

    response = await api.post("{ whoami }", headers={"authorization": f"Bearer {token}"})

    assert code_of(response) == "TOKEN_EXPIRED"
    assert response.json()["errors"][0]["extensions"]["retryable"] is True


async def test_a_caller_that_hangs_up_leaves_the_server_well(api: Service) -> None:
    with socket.create_connection(("127.0.0.1", api.port)) as hasty:
        hasty.sendall(
            b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b'Content-Length: 100\r\n\r\n{"query'
        )

    assert (await api.post("{ hello }")).status_code == 200
