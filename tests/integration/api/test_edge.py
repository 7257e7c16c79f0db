"""What every request passes, whatever it asks for."""

import asyncio
from collections.abc import Sequence
from ipaddress import ip_network

import pytest
from loguru import logger
from uuid_utils.compat import uuid7

from bootstrap.settings import Environment
from tests.integration.api.service import Service, service
from usecases.ports.limits import Allowance, Bucket, LimitsUnknown

# --- request ids and logs -----------------------------------------------------------------------


async def test_a_sane_request_id_is_kept(api: Service) -> None:
    response = await api.post("{ hello }", headers={"x-request-id": "checkout-4711"})

    assert response.headers["x-request-id"] == "checkout-4711"
    assert response.json()["extensions"]["requestId"] == "checkout-4711"


@pytest.mark.parametrize(
    "given", [None, "short", "x" * 65, "a b c d e f", "line%0abreak", "<b>12345678"]
)
async def test_any_other_is_replaced(api: Service, given: str | None) -> None:
    response = await api.post("{ hello }", headers={"x-request-id": given} if given else {})

    made = response.headers["x-request-id"]
    assert made != given
    assert len(made) == 36
    assert made[14] == "7"  # a UUIDv7


async def test_each_request_leaves_one_line_without_what_was_asked(api: Service) -> None:
    token = api.sign_in()
    lines: list[dict[str, object]] = []
    sink = logger.add(
        lambda message: lines.append(
            {"message": message.record["message"], **message.record["extra"]}
        )
    )
    try:
        await api.http.post(
            f"{api.url}/graphql?password=hunter2",
            json={"query": 'query Greeting { hello(name: "hunter2") }'},
            headers={"authorization": f"Bearer {token}", "x-request-id": "12345678"},
        )
    finally:
        logger.remove(sink)

    [line] = lines
    assert line.pop("ms") is not None
    assert line == {
        "message": "Request served",
        "method": "POST",
        "path": "/graphql",
        "status": 200,
        "operation": "Greeting",
        "kind": "query",
        "user_id": str(api.tokens[token].account_id),
    }


# --- rate limits --------------------------------------------------------------------------------


async def test_answers_tell_the_limit_and_what_is_left(api: Service) -> None:
    response = await api.post("{ hello }")

    assert response.headers["ratelimit-policy"] == '"address";q=60;w=12'
    assert response.headers["ratelimit"] == '"address";r=999999;t=60'


async def test_of_several_limits_answers_tell_the_tightest(api: Service) -> None:
    account = uuid7()
    token = {"authorization": f"Bearer {api.sign_in(account_id=account)}"}
    api.rate_limiter.left_of[f"read:account:{account}"] = 7
    api.rate_limiter.left_of[f"cost:account:{account}"] = 5

    response = await api.post("{ hello }", headers=token)
    cheaper = await api.post('mutation { logIn(name: "x") }', headers=token)

    assert response.headers["ratelimit-policy"] == '"cost-account";q=100000;w=60'
    assert response.headers["ratelimit"] == '"cost-account";r=4;t=100000'
    assert cheaper.status_code == 429


@pytest.mark.parametrize("who", ["address", "account"])
async def test_each_class_of_operations_has_its_limit(api: Service, who: str) -> None:
    account = uuid7()
    token = {"authorization": f"Bearer {api.sign_in(account_id=account)}"}
    holder = {"address": "127.0.0.1", "account": str(account)}[who]
    api.rate_limiter.left_of[f"authentication:{who}:{holder}"] = 1
    first = await api.post('mutation { logIn(name: "x") }', headers=token)
    before = list(api.rate_limiter.taken)
    second = await api.post('mutation { logIn(name: "y") }', headers=token)
    other = await api.post('mutation { rename(name: "z") }', headers=token)

    assert (first.status_code, second.status_code, other.status_code) == (200, 429, 200)
    assert second.headers["ratelimit-policy"] == f'"authentication-{who}";q=30;w=30'
    assert second.headers["ratelimit"] == f'"authentication-{who}";r=0;t=30'
    assert second.headers["retry-after"] == "1"
    assert second.json()["errors"][0]["extensions"] == {
        "code": "RATE_LIMITED",
        "retryable": True,
        "retryAfter": 1,
    }
    assert api.watch.mutations == ["x", "z"]
    assert api.rate_limiter.taken[len(before)] == "edge:127.0.0.1"
    assert api.rate_limiter.taken[len(before) + 1] == "edge:127.0.0.1"  # no other, in between


async def test_an_account_is_limited_wherever_it_comes_from() -> None:
    async with service(trusted_proxies=(ip_network("127.0.0.0/8"),)) as api:
        account = uuid7()
        api.rate_limiter.left_of[f"read:account:{account}"] = 2
        statuses = [
            (
                await api.post(
                    "{ hello }",
                    headers={
                        "authorization": f"Bearer {api.sign_in(account_id=account)}",
                        "x-forwarded-for": f"203.0.113.{number}",
                    },
                )
            ).status_code
            for number in range(4)
        ]

    assert statuses == [200, 200, 429, 429]


async def test_over_the_limit_is_429_with_a_typed_error_and_nothing_is_done(api: Service) -> None:
    api.rate_limiter.left = 1
    await api.post("{ hello }")

    response = await api.post('mutation { rename(name: "x") }')

    assert response.status_code == 429
    assert response.headers["retry-after"] == "1"
    assert response.headers["ratelimit"] == '"address";r=0;t=60'
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert response.json() == {
        "errors": [
            {
                "message": "Too many requests: try again in 1 seconds.",
                "extensions": {"code": "RATE_LIMITED", "retryable": True, "retryAfter": 1},
            }
        ],
        "extensions": {"requestId": response.headers["x-request-id"]},
    }
    assert api.watch.mutations == []


async def test_a_limiter_that_is_lost_between_two_questions_closes_the_door(api: Service) -> None:
    """The address was counted, the class cannot be: it is as if nothing had been counted."""
    take = api.rate_limiter.take

    async def half(*buckets: Bucket) -> Sequence[Allowance]:
        if not buckets[0].key.startswith("edge:"):
            raise LimitsUnknown
        return await take(*buckets)

    api.rate_limiter.take = half  # type: ignore[method-assign]
    response = await api.post('mutation { logIn(name: "x") }')

    assert response.status_code == 503
    assert api.watch.mutations == []


async def test_health_is_never_limited(api: Service) -> None:
    api.rate_limiter.left = 0

    assert (await api.http.get(f"{api.url}/health/live")).status_code == 200
    assert (await api.http.get(f"{api.url}/anything")).status_code == 429


async def test_the_limit_is_that_of_the_client_behind_a_known_proxy() -> None:
    async with service(trusted_proxies=(ip_network("127.0.0.0/8"),)) as api:
        for address in ("203.0.113.9", "6.6.6.6, 203.0.113.9", "2001:db8::1", "2001:db8::2"):
            response = await api.post("{ address }", headers={"x-forwarded-for": address})
            assert response.json()["data"] == {"address": address.rpartition(" ")[2]}

    assert [key for key in api.rate_limiter.taken if key.startswith("edge:")] == [
        "edge:203.0.113.9",
        "edge:203.0.113.9",
        "edge:2001:db8::/64",
        "edge:2001:db8::/64",
    ]


async def test_a_stranger_cannot_choose_its_address(api: Service) -> None:
    response = await api.post("{ address }", headers={"x-forwarded-for": "203.0.113.9"})

    assert response.json()["data"] == {"address": "127.0.0.1"}
    assert api.rate_limiter.taken == ["edge:127.0.0.1", "cost:address:127.0.0.1"]


@pytest.mark.parametrize("loss", ["is_down", "hangs"])
async def test_without_the_limiter_reads_go_on_and_nobody_signs_in(loss: str) -> None:
    async with service() as api:
        setattr(api.rate_limiter, loss, True)
        warnings: list[str] = []
        sink = logger.add(warnings.append, level="WARNING", format="{message}")
        try:
            read = await api.post("{ hello }")
            write = await api.post('mutation { rename(name: "x") }')
            refused = await api.post('mutation { logIn(name: "x") }')
        finally:
            logger.remove(sink)

    assert read.json()["data"] == {"hello": "Hello, world!"}
    assert write.json()["data"] == {"rename": "x"}
    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "5"
    assert refused.json()["errors"][0]["extensions"]["code"] == "UPSTREAM_UNAVAILABLE"
    assert api.watch.mutations == ["x"]
    assert warnings == ["Rate limits are not kept: Redis does not answer\n"]


# --- headers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/graphql", "/health/live", "/nothing"])
async def test_every_answer_is_guarded(api: Service, path: str) -> None:
    headers = (await api.http.get(f"{api.url}{path}")).headers

    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "base-uri 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "strict-transport-security" not in headers


async def test_where_it_is_reached_by_https_it_is_https_only() -> None:
    async with service(public_url="https://api.example") as api:
        headers = (await api.post("{ hello }")).headers

    assert headers["strict-transport-security"] == "max-age=63072000; includeSubDomains"


async def test_what_is_not_there_is_json_too(api: Service) -> None:
    response = await api.http.get(f"{api.url}/graphql/")

    assert response.status_code == 404
    assert response.json()["errors"][0]["extensions"]["code"] == "NOT_FOUND"


# --- CORS ---------------------------------------------------------------------------------------


async def test_a_known_origin_may_ask_and_read() -> None:
    async with service(allowed_origins=("https://app.example",)) as api:
        origin = {"origin": "https://app.example"}
        preflight = await api.http.options(
            f"{api.url}/graphql", headers={**origin, "access-control-request-method": "POST"}
        )
        response = await api.post("{ hello }", headers=origin)

    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-methods"] == "GET, POST"
    assert "Authorization" in preflight.headers["access-control-allow-headers"]
    for answer in (preflight, response):
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert answer.headers["vary"].endswith("Origin")


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "https://app.example.evil.example", "http://app.example"],
)
async def test_another_origin_may_not(origin: str) -> None:
    async with service(allowed_origins=("https://app.example",)) as api:
        preflight = await api.http.options(
            f"{api.url}/graphql",
            headers={"origin": origin, "access-control-request-method": "POST"},
        )
        response = await api.post("{ hello }", headers={"origin": origin})

    assert preflight.status_code == 403
    assert "access-control-allow-origin" not in preflight.headers
    assert "access-control-allow-origin" not in response.headers


# --- health -------------------------------------------------------------------------------------


async def well() -> None:
    """Be well."""


async def unwell() -> None:
    raise ConnectionError("postgresql://user:secret@db/storyloom")


async def silent() -> None:
    await asyncio.Event().wait()


async def test_live_says_that_the_process_answers() -> None:
    async with service(checks={"redis": unwell}) as api:
        response = await api.http.get(f"{api.url}/health/live")

    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_ready_when_all_parts_are() -> None:
    async with service(checks={"postgresql": well, "redis": well, "worker": well}) as api:
        response = await api.http.get(f"{api.url}/health/ready")

    assert response.status_code == 200
    assert response.json() == {
        "status": "ok",
        "checks": {"postgresql": "ok", "redis": "ok", "worker": "ok"},
    }


async def test_not_ready_tells_which_part_is_missing_and_no_more() -> None:
    async with service(checks={"postgresql": unwell, "redis": well}) as api:
        response = await api.http.get(f"{api.url}/health/ready")

    assert response.status_code == 503
    assert response.json() == {
        "status": "unavailable",
        "checks": {"postgresql": "unavailable", "redis": "ok"},
    }


async def test_a_process_that_goes_is_not_ready(api: Service) -> None:
    api.drain.begin()

    response = await api.http.get(f"{api.url}/health/ready")

    assert (response.status_code, response.json()["status"]) == (503, "draining")
    assert (await api.post("{ hello }")).status_code == 200


async def test_health_is_only_read(api: Service) -> None:
    response = await api.http.post(f"{api.url}/health/live")

    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")


# --- GraphiQL -----------------------------------------------------------------------------------

BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


async def test_browsers_get_graphiql_in_development(api: Service) -> None:
    response = await api.http.get(f"{api.url}/graphql", headers=BROWSER)

    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = response.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert f"connect-src 'self' ws://127.0.0.1:{api.port} " in policy
    assert "https://" not in response.text
    assert "<title>" in response.text


async def test_in_production_there_is_no_page() -> None:
    async with service(environment=Environment.PRODUCTION) as api:
        page = await api.http.get(f"{api.url}/graphql", headers={"accept": "text/html"})
        script = await api.http.get(f"{api.url}/graphiql/main.js")

    assert page.status_code == 406
    assert script.status_code == 404


async def test_introspection_follows_its_setting() -> None:
    for changes, allowed in (
        ({}, True),
        ({"environment": Environment.PRODUCTION}, False),
        ({"environment": Environment.PRODUCTION, "introspection": "on"}, True),
        ({"introspection": "off"}, False),
    ):
        async with service(**changes) as api:
            response = await api.post("{ __schema { queryType { name } } }")

        assert ("errors" not in response.json()) is allowed
