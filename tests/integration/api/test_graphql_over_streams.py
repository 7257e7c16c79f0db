"""GraphQL over one long HTTP response: server-sent events, and Apollo's multipart protocol."""

import asyncio
import socket as sockets
from contextlib import aclosing
from hashlib import sha256
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from api.graphql.http import WHERE_SUBSCRIPTIONS_GO
from api.graphql.negotiation import EVENT_STREAM, JSON, RESPONSE, accepted_stream
from api.graphql.stay import SocketRules
from api.graphql.trusted import TrustedDocuments
from tests.clients.streams import MULTIPART, ROUTER, URQL, parts, said, server_sent
from tests.integration.api.service import UNCHECKED, Service, service

TICKS = "subscription ($to: Int!, $after: Int! = 0) { ticks(to: $to, after: $after) { number } }"


def bearing(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


# --- server-sent events -------------------------------------------------------------------------


async def test_a_subscription_is_a_stream_of_results_that_completes(api: Service) -> None:
    async with api.stream(TICKS, variables={"to": 3}) as response:
        messages = await said(response)

    assert [each.kind for each in messages] == ["next", "next", "next", "complete"]
    assert [each.data for each in messages[:3]] == [{"ticks": {"number": n}} for n in (1, 2, 3)]
    assert [each.last_id for each in messages[:3]] == ["tick-1", "tick-2", "tick-3"]
    assert messages[3].text == ""


async def test_nothing_on_the_way_may_keep_or_pack_it(api: Service) -> None:
    gzip = {"accept-encoding": "gzip"}
    async with api.stream("subscription { count(to: 1) }", headers=gzip) as response:
        await said(response)

    assert response.headers["cache-control"] == "no-store, no-transform"
    assert response.headers["x-accel-buffering"] == "no"
    assert response.headers["vary"] == "Accept"
    assert "content-encoding" not in response.headers
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "ratelimit" in response.headers


async def test_what_is_no_place_in_a_log_has_no_id(api: Service) -> None:
    async with api.stream("subscription { count(to: 2) }") as response:
        messages = await said(response)

    assert [each.last_id for each in messages] == [None, None, None]


@pytest.mark.parametrize("query", ["{ hello }", 'mutation { rename(name: "x") }'])
async def test_other_operations_are_a_stream_of_one_result(api: Service, query: str) -> None:
    async with api.stream(query) as response:
        messages = await said(response)

    assert [each.kind for each in messages] == ["next", "complete"]
    assert messages[0].data in ({"hello": "Hello, world!"}, {"rename": "x"})


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("subscription { count(to: 1)", {}),
        ("subscription { nothing }", {}),
        ("subscription A { count(to: 1) } subscription B { count(to: 1) }", {}),
        ("subscription ($n: Int!) { count(to: $n) }", {"n": "one"}),
        ("{ nothing }", {}),
    ],
)
async def test_a_wrong_operation_is_told_in_the_stream(
    api: Service, query: str, variables: dict[str, object]
) -> None:
    async with api.stream(query, variables=variables) as response:
        first, last = await said(response)

    assert first.codes == ["VALIDATION_FAILED"]
    assert "data" not in first.body
    assert last.kind == "complete"


@pytest.mark.parametrize(
    ("accept", "status", "answered"),
    [(URQL, 400, RESPONSE), (MULTIPART, 400, RESPONSE), (ROUTER, 200, JSON)],
)
async def test_who_takes_whole_answers_too_is_told_in_one(
    api: Service, accept: str, status: int, answered: str
) -> None:
    wrong = await api.post("subscription { nothing }", headers={"accept": accept})
    query = await api.post("{ hello }", headers={"accept": accept})

    assert (wrong.status_code, wrong.headers["content-type"]) == (
        status,
        f"{answered}; charset=utf-8",
    )
    assert wrong.json()["errors"][0]["extensions"]["code"] == "VALIDATION_FAILED"
    assert query.json()["data"] == {"hello": "Hello, world!"}


async def test_urql_gets_server_sent_events(api: Service) -> None:
    async with api.stream("subscription { count(to: 1) }", accept=URQL) as response:
        assert [each.kind for each in await said(response)] == ["next", "complete"]


@pytest.mark.parametrize("accept", [JSON, "*/*", "text/*, application/*", "multipart/mixed, */*"])
async def test_who_names_no_stream_is_told_where_to_go(api: Service, accept: str) -> None:
    response = await api.post("subscription { count(to: 1) }", headers={"accept": accept})

    assert response.json()["errors"][0]["message"] == WHERE_SUBSCRIPTIONS_GO


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (EVENT_STREAM, EVENT_STREAM),
        ("TEXT/Event-Stream ; charset=x", EVENT_STREAM),
        ("multipart/mixed;boundary=x;subscriptionSpec=1.0", "multipart/mixed"),
        ('multipart/mixed; subscriptionspec="1.0", text/event-stream', "multipart/mixed"),
        ('multipart/mixed;subscriptionSpec="1.0";q=0.5, text/event-stream', EVENT_STREAM),
        ("text/event-stream;q=0", None),
        ('multipart/mixed;subscriptionSpec="2.0"', None),
        ("multipart/mixed;deferSpec=20220824", None),
        ("", None),
    ],
)
def test_accept_chooses_the_stream(accept: str, chosen: str | None) -> None:
    assert accepted_stream(accept) == chosen


@given(st.text(st.sampled_from('text/event-stream;,q=0.1"multipart ')))
def test_no_accept_header_is_a_fault(accept: str) -> None:
    assert accepted_stream(accept) in {None, EVENT_STREAM, "multipart/mixed"}


# --- GET ----------------------------------------------------------------------------------------


async def test_get_follows_the_rules_of_other_gets(api: Service) -> None:
    url, asked = f"{api.url}/graphql", {"query": "subscription { count(to: 1) }"}
    streams = {"accept": EVENT_STREAM}
    bare = await api.http.get(url, params=asked, headers=streams)
    mutation = await api.http.get(
        url,
        params={"query": 'mutation { rename(name: "x") }'},
        headers={"graphql-require-preflight": "1", **streams},
    )
    async with api.http.stream(
        "GET", url, params=asked, headers={"graphql-require-preflight": "1", **streams}
    ) as response:
        messages = await said(response)

    assert (bare.status_code, mutation.status_code) == (403, 405)
    assert bare.headers["content-type"] == "application/json; charset=utf-8"
    assert api.watch.mutations == []
    assert [each.kind for each in messages] == ["next", "complete"]


async def test_a_trusted_document_streams_by_its_hash() -> None:
    text = "subscription { count(to: 1) }"
    digest = sha256(text.encode()).hexdigest()
    async with service(trusted=TrustedDocuments({digest: text}, only=True)) as api:
        async with api.http.stream(
            "GET",
            f"{api.url}/graphql",
            params={"documentId": f"sha256:{digest}"},
            headers={"accept": EVENT_STREAM},
        ) as response:
            messages = await said(response)
        async with api.stream("subscription { count(to: 2) }") as untrusted:
            [refusal, _] = await said(untrusted)

    assert messages[0].data == {"count": 0}
    assert refusal.codes == ["FORBIDDEN"]


# --- coming back --------------------------------------------------------------------------------


async def test_the_last_id_stands_in_for_the_cursor_and_knows_better(api: Service) -> None:
    last = {"last-event-id": "tick-3"}
    variables = {"to": 5, "after": 1}
    async with api.stream(TICKS, headers=last, variables=variables) as response:
        messages = await said(response)

    assert [each.last_id for each in messages[:2]] == ["tick-4", "tick-5"]
    assert messages[2].kind == "complete"


@pytest.mark.parametrize(("accept", "last"), [(EVENT_STREAM, ""), (MULTIPART, "tick-3")])
async def test_without_a_last_id_the_variables_decide(api: Service, accept: str, last: str) -> None:
    variables = {"to": 2, "after": 1}
    async with api.stream(
        TICKS, accept=accept, headers={"last-event-id": last}, variables=variables
    ) as response:
        body = await response.aread()

    assert body.count(b'"number":2') == 1
    assert b'"number":1' not in body


# --- Apollo's multipart protocol ----------------------------------------------------------------


@pytest.mark.parametrize("accept", [MULTIPART, ROUTER])
async def test_apollo_gets_parts(api: Service, accept: str) -> None:
    async with api.stream(TICKS, accept=accept, variables={"to": 2}) as response:
        heartbeat, *results = [part async for part in parts(response)]

    assert heartbeat == {}
    assert [each["payload"]["data"] for each in results] == [
        {"ticks": {"number": 1}},
        {"ticks": {"number": 2}},
    ]
    assert all(set(each) == {"payload"} for each in results)


async def test_a_refusal_of_the_operation_is_a_payload_with_errors(api: Service) -> None:
    async with api.stream("subscription { mine }", accept=MULTIPART) as response:
        _, result = [part async for part in parts(response)]

    assert result["payload"]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_an_end_of_the_connection_is_an_error_of_the_transport(api: Service) -> None:
    async with api.stream("subscription { behind }", accept=MULTIPART) as response:
        *_, last = [part async for part in parts(response)]

    assert last["payload"] is None
    assert last["errors"][0]["extensions"] == {"code": "UPSTREAM_UNAVAILABLE", "retryable": True}


# --- who it is ----------------------------------------------------------------------------------


async def test_a_good_token_names_the_viewer(api: Service) -> None:
    token = api.sign_in()
    async with api.stream("subscription { mine }", headers=bearing(token)) as response:
        messages = await said(response)

    assert messages[0].data == {"mine": str(api.tokens[token].account_id)}


@pytest.mark.parametrize(
    ("accept", "answered"), [(EVENT_STREAM, JSON), (MULTIPART, RESPONSE), (ROUTER, JSON)]
)
async def test_a_bad_or_expired_token_is_401(api: Service, accept: str, answered: str) -> None:
    for token, code in (("rubbish", "UNAUTHENTICATED"), (api.sign_in(-1), "TOKEN_EXPIRED")):
        headers = {"accept": accept, **bearing(token)}
        response = await api.post("subscription { forever }", headers=headers)

        assert response.status_code == 401
        assert response.headers["content-type"] == f"{answered}; charset=utf-8"
        assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'
        assert response.json()["errors"][0]["extensions"]["code"] == code
    assert api.watch.open_streams == 0


async def test_a_token_that_cannot_be_checked_is_tried_again(api: Service) -> None:
    headers = {"accept": EVENT_STREAM, **bearing(UNCHECKED)}
    response = await api.post("subscription { forever }", headers=headers)

    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert response.json()["errors"][0]["extensions"]["code"] == "UPSTREAM_UNAVAILABLE"


async def test_a_stream_ends_when_its_token_expires(api: Service) -> None:
    token = api.sign_in(seconds=0.2)
    async with (
        asyncio.timeout(5),
        api.stream("subscription { forever }", headers=bearing(token)) as response,
    ):
        first, told, last = await said(response)

    assert first.data == {"forever": "first"}
    assert told.codes == ["TOKEN_EXPIRED"]
    assert last.kind == "complete"
    assert api.watch.open_streams == 0


async def test_a_stream_ends_when_its_session_ends(api: Service) -> None:
    token = api.sign_in()
    ends: list[Any] = []
    for accept in (EVENT_STREAM, MULTIPART):
        async with (
            asyncio.timeout(5),
            api.stream(
                "subscription { forever }", accept=accept, headers=bearing(token)
            ) as response,
        ):
            reading = asyncio.create_task(response.aread())
            await api.watch.started.wait()
            await api.session_ends.announce(api.tokens[token].session_id)
            ends.append(await reading)
        api.session_ends.announced.clear()
        api.watch.started.clear()

    assert ends[0].endswith(b"event: complete\ndata:\n\n")
    assert all(b'"code":"SESSION_ENDED"' in end for end in ends)


# --- what ends it -------------------------------------------------------------------------------


@pytest.mark.parametrize("accept", [EVENT_STREAM, MULTIPART])
async def test_a_client_that_goes_leaves_nothing_behind(api: Service, accept: str) -> None:
    tasks = len(asyncio.all_tasks())
    headers = bearing(api.sign_in())
    for _ in range(3):
        async with api.stream("subscription { forever }", accept=accept, headers=headers) as open_:
            async with asyncio.timeout(5):
                await api.watch.started.wait()
            assert open_.status_code == 200
            assert api.drain.sockets == 1
        async with asyncio.timeout(2):
            await api.watch.canceled.wait()
            while api.server.server_state.tasks:
                await asyncio.wait(api.server.server_state.tasks)
        api.watch.started.clear()
        api.watch.canceled.clear()

    assert api.watch.open_streams == 0
    assert api.drain.sockets == 0
    assert api.socket_counts.counts == {}
    assert len(asyncio.all_tasks()) == tasks


async def test_a_broken_subscription_ends_with_a_masked_error(api: Service) -> None:
    async with api.stream("subscription { breaks }") as response:
        first, error, last = await said(response)

    assert first.data == {"breaks": 1}
    assert error.codes == ["INTERNAL"]
    assert "7531" not in error.text
    assert last.kind == "complete"


async def test_a_follower_that_fell_behind_is_sent_away_to_come_back(api: Service) -> None:
    async with api.stream("subscription { behind }") as response:
        messages = [message async for message in server_sent(response)]

    assert [each.kind for each in messages] == ["", "next", ""]
    assert messages[-1].text == "You read too slowly: come back with your newest cursor"


FLOOD = {"query": "subscription { flood(size: 50000) }"}
TRICKLE = {
    "query": "subscription ($first: String!) { forever(first: $first) }",
    "variables": {"first": "x" * 30_000},
}
"""More than a small window takes, and less than the server's own buffers do."""


@pytest.mark.parametrize("accept", [EVENT_STREAM, MULTIPART])
@pytest.mark.parametrize(
    ("asked", "seconds"), [(FLOOD, 0.05), (TRICKLE, 0.5)], ids=["flood", "trickle"]
)
async def test_a_client_that_never_reads_is_cut_off(
    accept: str, asked: dict[str, object], seconds: float
) -> None:
    async with service(rules=SocketRules(send_seconds=seconds)) as api:
        body = orjson.dumps(asked)
        deaf = sockets.socket()
        deaf.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4_096)
        deaf.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(deaf, ("127.0.0.1", api.port))
        await loop.sock_sendall(
            deaf,
            f"POST /graphql HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nContent-Type: {JSON}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body,
        )
        try:
            async with asyncio.timeout(5):
                await api.watch.started.wait()
                # uvicorn forgets a connection when its transport is gone, and tells nobody
                while api.server.server_state.connections or api.drain.sockets:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        finally:
            deaf.close()

        assert api.watch.open_streams == 0


async def test_a_silent_stream_shows_signs_of_life() -> None:
    async with service(rules=SocketRules(keep_alive_seconds=0.02)) as api:
        async with api.stream("subscription { forever }") as response:
            kinds = []
            async with aclosing(server_sent(response)) as messages:  # type: ignore[type-var]
                async for message in messages:
                    kinds.append(message.kind)
                    if len(kinds) == 4:
                        break
        async with api.stream("subscription { forever }", accept=MULTIPART) as response:
            beats = []
            async with aclosing(parts(response)) as found:  # type: ignore[type-var]
                async for part in found:
                    beats.append(part)
                    if len(beats) == 4:
                        break

    assert kinds == ["", "next", "", ""]
    assert beats[2:] == [{}, {}]


async def test_the_deadline_holds_for_each_event() -> None:
    query = "subscription { ticks(to: 1) { slow } }"
    async with service(operation_seconds=0.05) as api, api.stream(query) as response:
        late, last = await said(response)

    assert late.codes == ["UPSTREAM_UNAVAILABLE"]
    assert last.kind == "complete"


# --- limits -------------------------------------------------------------------------------------


async def test_streams_and_sockets_are_counted_together() -> None:
    async with service(rules=SocketRules(per_address=2)) as api, api.socket(init=None):
        async with api.stream("subscription { forever }"):
            await api.watch.started.wait()
            one_more = await api.post("subscription { forever }", {"accept": EVENT_STREAM})
            async with api.socket() as talk:
                assert await talk.closed() == (4429, "Too many sockets: at most 2")
        async with asyncio.timeout(2):
            await api.watch.canceled.wait()

    assert one_more.status_code == 429
    assert one_more.headers["retry-after"] == "1"
    assert one_more.json()["errors"][0]["extensions"]["code"] == "RATE_LIMITED"


async def test_an_account_may_have_so_many_streams() -> None:
    async with service(rules=SocketRules(per_account=1)) as api:
        account = uuid7()
        first, second = (bearing(api.sign_in(account_id=account)) for _ in range(2))
        async with api.stream("subscription { forever }", headers=first):
            await api.watch.started.wait()
            one_more = await api.post("subscription { forever }", {"accept": MULTIPART, **second})

    assert one_more.status_code == 429
    assert api.watch.contexts == 2


async def test_a_stream_takes_from_the_buckets_and_says_what_it_costs(api: Service) -> None:
    async with api.stream("subscription { count(to: 1) }") as response:
        [told, _] = await said(response)
    api.rate_limiter.left_of["cost:address:127.0.0.1"] = 0
    refused = await api.post("subscription { count(to: 1) }", {"accept": EVENT_STREAM})

    assert told.body["extensions"]["cost"] == {"asked": 1, "limit": 10_000, "remaining": 999_999}
    assert told.body["extensions"]["requestId"] == response.headers["x-request-id"]
    assert refused.status_code == 429
    assert refused.headers["content-type"] == "application/json; charset=utf-8"


async def test_pages_of_other_origins_are_turned_away() -> None:
    async with service(allowed_origins=("https://app.example",)) as api:
        statuses = {}
        for origin in ("https://evil.example", "https://app.example"):
            async with api.stream(
                "subscription { count(to: 1) }", headers={"origin": origin}
            ) as response:
                statuses[origin] = response.status_code
        preflight = await api.http.options(
            f"{api.url}/graphql",
            headers={
                "origin": "https://app.example",
                "access-control-request-method": "POST",
                "access-control-request-headers": "last-event-id",
            },
        )

    assert statuses == {"https://evil.example": 403, "https://app.example": 200}
    assert "Last-Event-ID" in preflight.headers["access-control-allow-headers"]


async def test_a_malformed_request_is_refused_as_ever(api: Service) -> None:
    for body, kind, status in (
        (b"rubbish", JSON, 400),
        (b"[]", JSON, 400),
        (b"{}", JSON, 400),
        (b'{"query": "{ hello }"}', "text/plain", 415),
        (b" " * 100_001, JSON, 413),
    ):
        response = await api.send(body, accept=EVENT_STREAM, content_type=kind)

        assert response.status_code == status
        assert response.headers["content-type"] == "application/json; charset=utf-8"


# --- going --------------------------------------------------------------------------------------


async def test_a_draining_process_sends_its_streams_away_to_come_back(api: Service) -> None:
    async with (
        api.stream("subscription { forever }") as events,
        api.stream("subscription { forever }", accept=MULTIPART) as apollo,
    ):
        reading = asyncio.gather(events.aread(), apollo.aread())
        async with asyncio.timeout(5):
            while api.watch.open_streams < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        api.drain.begin()
        late = await api.post("subscription { forever }", {"accept": EVENT_STREAM})
        async with asyncio.timeout(5):
            ends = await reading

    assert await api.drain.finished(within=1)
    assert late.status_code == 503
    assert late.headers["retry-after"] == "1"
    assert ends[0].endswith(b": This server restarts: connect again.\n\n")
    assert b"event: complete" not in ends[0]
    assert b'{"payload":null,"errors":[{"message":"This server restarts' in ends[1]
    assert ends[1].endswith(b"\r\n--graphql--\r\n")
