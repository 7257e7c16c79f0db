"""GraphQL over WebSocket, row by row."""

import asyncio
import socket as sockets
import struct
from collections import Counter
from uuid import uuid4

import pytest
from uuid_utils.compat import uuid7
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from api.graphql.frames import LONGEST_REASON
from api.graphql.stay import SocketRules
from tests.integration.api.service import GRAPHQL_WS, UNCHECKED, Service, service

NOTHING = Counter[object]()


def next_of(identifier: str, data: object) -> dict[str, object]:
    return {"id": identifier, "type": "next", "data": data}


def heard(frame: dict[str, object]) -> dict[str, object]:
    """Return a frame without its request id, its data on the first level."""
    payload = frame.get("payload")
    if frame["type"] != "next":
        return frame
    assert isinstance(payload, dict)
    assert set(payload) == {"data", "extensions"}
    return {"id": frame["id"], "type": "next", "data": payload["data"]}


def code_of(frame: dict[str, object]) -> object:
    """Return the code of an `error` frame."""
    assert frame["type"] == "error"
    assert isinstance(frame["payload"], list)
    return frame["payload"][0]["extensions"]["code"]


# --- the beginning ------------------------------------------------------------------------------


async def test_no_init_in_time_is_4408() -> None:
    async with service(rules=SocketRules(init_seconds=0.05)) as api, api.socket() as talk:
        await talk.say(type="ping")
        assert await talk.hear() == {"type": "pong"}
        assert await talk.closed() == (4408, "Connection initialisation timeout")


async def test_a_second_init_is_4429(api: Service) -> None:
    async with api.socket(init=None) as talk:
        await talk.say(type="connection_init")
        assert await talk.closed() == (4429, "Too many initialisation requests")


async def test_subscribe_before_the_ack_is_4401(api: Service) -> None:
    async with api.socket() as talk:
        await talk.start("1", "{ hello }")
        assert await talk.closed() == (4401, "Unauthorized: send connection_init first")


@pytest.mark.parametrize(
    "payload",
    [
        {"authorization": "Bearer rubbish"},
        {"Authorization": "rubbish"},
        {"authorization": 7},
        {"accessToken": "rubbish"},
        {"accessToken": ["x"]},
    ],
)
async def test_bad_credentials_are_4403(api: Service, payload: object) -> None:
    async with api.socket() as talk:
        await talk.say(type="connection_init", payload=payload)
        code, reason = await talk.closed()

    assert code == 4403
    assert reason.startswith("UNAUTHENTICATED: ")


async def test_whose_token_cannot_be_checked_comes_back_with_the_same(api: Service) -> None:
    async with api.socket() as talk:
        await talk.say(type="connection_init", payload={"accessToken": UNCHECKED})
        code, _ = await talk.closed()

    assert code == 1013


async def test_an_expired_token_is_4403_and_named(api: Service) -> None:
    async with api.socket() as talk:
        await talk.say(type="connection_init", payload={"accessToken": api.sign_in(seconds=-1)})
        code, reason = await talk.closed()

    assert code == 4403
    assert reason.startswith("TOKEN_EXPIRED: ")


@pytest.mark.parametrize("subprotocol", [None, "graphql-ws", "soap"])
async def test_another_sub_protocol_is_4406(api: Service, subprotocol: str | None) -> None:
    async with api.socket(subprotocol=subprotocol) as talk:
        assert await talk.closed() == (4406, "Speak graphql-transport-ws")


async def test_ours_is_found_among_several(api: Service) -> None:
    offers = [Subprotocol("graphql-ws"), GRAPHQL_WS]
    async with connect(f"ws://127.0.0.1:{api.port}/graphql", subprotocols=offers) as connection:
        assert connection.subprotocol == GRAPHQL_WS


@pytest.mark.parametrize("frame", [{}, {"payload": None}, {"payload": {}}, {"payload": {"a": 1}}])
async def test_init_without_credentials_is_anonymous(api: Service, frame: object) -> None:
    async with api.socket() as talk:
        assert isinstance(frame, dict)
        await talk.say(type="connection_init", **frame)
        assert await talk.hear() == {"type": "connection_ack"}
        await talk.start("1", "{ hello }")
        assert heard(await talk.hear()) == next_of("1", {"hello": "Hello, world!"})
        await talk.hear()
        await talk.start("2", "subscription { mine }")
        assert code_of(await talk.hear()) == "UNAUTHENTICATED"


@pytest.mark.parametrize("spelling", ["authorization", "Authorization", "accessToken"])
async def test_the_token_comes_with_init(api: Service, spelling: str) -> None:
    token = api.sign_in()
    value = token if spelling == "accessToken" else f"Bearer {token}"
    async with api.socket(init={spelling: value}) as talk:
        await talk.start("1", "subscription { mine }")
        account = str(api.tokens[token].account_id)
        assert heard(await talk.hear()) == next_of("1", {"mine": account})


# --- frames that are no frames ------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        "",
        "rubbish",
        "{",
        "null",
        "42",
        '"x"',
        "[]",
        "[" * 50_000,
        "9" * 10_000,
        "{}",
        '{"type": null}',
        '{"type": 7}',
        '{"type": "start"}',
        '{"type": "next"}',
        '{"type": "connection_ack"}',
        '{"type": "ping", "payload": 1}',
        '{"type": "pong", "payload": []}',
        '{"type": "connection_init", "payload": []}',
        '{"type": "subscribe"}',
        '{"type": "subscribe", "payload": {"query": "{ hello }"}}',
        '{"type": "subscribe", "id": "", "payload": {"query": "{ hello }"}}',
        '{"type": "subscribe", "id": null, "payload": {"query": "{ hello }"}}',
        '{"type": "subscribe", "id": 1, "payload": {"query": "{ hello }"}}',
        '{"type": "subscribe", "id": {}, "payload": {"query": "{ hello }"}}',
        '{"type": "subscribe", "id": [], "payload": {"query": "{ hello }"}}',
        '{"type": "subscribe", "id": "1", "payload": null}',
        '{"type": "subscribe", "id": "1", "payload": []}',
        '{"type": "subscribe", "id": "1", "payload": 1}',
        '{"type": "subscribe", "id": "1", "payload": {}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": null}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ hello }", "variables": []}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ hello }", "operationName": 1}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ hello }", "extensions": 1}}',
        '{"type": "complete"}',
        '{"type": "complete", "id": 1}',
        b'{"type": "ping"}',
        b"\xff",
    ],
)
@pytest.mark.parametrize("acknowledged", [False, True])
async def test_what_is_no_message_is_4400_with_a_reason(
    api: Service, message: str | bytes, *, acknowledged: bool
) -> None:
    async with api.socket(**({"init": None} if acknowledged else {})) as talk:
        await talk.connection.send(message)
        code, reason = await talk.closed()

    assert code == 4400
    assert reason


# --- operations ---------------------------------------------------------------------------------


async def test_queries_mutations_and_subscriptions_run(api: Service) -> None:
    async with api.socket(init=None) as talk:
        await talk.start("q", "query ($n: String) { hello(name: $n) }", variables={"n": "you"})
        assert heard(await talk.hear()) == next_of("q", {"hello": "Hello, you!"})
        assert await talk.hear() == {"id": "q", "type": "complete"}

        await talk.start("m", 'mutation { rename(name: "x") }')
        assert heard(await talk.hear()) == next_of("m", {"rename": "x"})
        assert await talk.hear() == {"id": "m", "type": "complete"}

        await talk.start("s", "subscription { count(to: 3) }")
        numbers = [heard(await talk.hear()) for _ in range(3)]
        assert numbers == [next_of("s", {"count": number}) for number in range(3)]
        assert await talk.hear() == {"id": "s", "type": "complete"}


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        ("{ hello", {}),
        ("", {}),
        ("{ nothing }", {}),
        ("query A { hello }", {"operationName": "B"}),
        ("query A { hello } query B { hello }", {}),
        ("query ($n: Int!) { first(count: $n) }", {"variables": {"n": "one"}}),
        ("subscription ($n: Int!) { count(to: $n) }", {"variables": {"n": "one"}}),
    ],
)
async def test_a_wrong_operation_is_an_error_and_the_socket_stays_usable(
    api: Service, query: str, parameters: dict[str, object]
) -> None:
    async with api.socket(init=None) as talk:
        await talk.start("1", query, **parameters)
        assert code_of(await talk.hear()) == "VALIDATION_FAILED"

        await talk.start("1", "{ hello }")
        assert heard(await talk.hear()) == next_of("1", {"hello": "Hello, world!"})


async def test_an_id_in_use_is_4409(api: Service) -> None:
    async with api.socket(init=None) as talk:
        await talk.start("one", "subscription { forever }")
        await talk.hear()
        await talk.start("one", "{ hello }")
        assert await talk.closed() == (4409, "Subscriber for one already exists")


async def test_an_id_is_free_again_after_complete_from_either_side(api: Service) -> None:
    async with api.socket(init=None) as talk:
        await talk.start("1", "subscription { forever }")
        await talk.hear()
        await talk.say(type="complete", id="1")
        await talk.start("1", "{ hello }")
        assert heard(await talk.hear()) == next_of("1", {"hello": "Hello, world!"})
        assert await talk.hear() == {"id": "1", "type": "complete"}
        await talk.start("1", "{ hello }")
        assert heard(await talk.hear()) == next_of("1", {"hello": "Hello, world!"})


async def test_a_long_reason_is_cut_to_what_a_close_frame_holds(api: Service) -> None:
    identifier = "ü" * 1_000
    async with api.socket(init=None) as talk:
        await talk.start(identifier, "subscription { forever }")
        await talk.hear()
        await talk.start(identifier, "{ hello }")
        code, reason = await talk.closed()

    assert code == 4409
    assert LONGEST_REASON - 1 <= len(reason.encode()) <= LONGEST_REASON


async def test_a_broken_subscription_ends_with_a_masked_error(api: Service) -> None:
    async with api.socket(init=None) as talk:
        await talk.start("1", "subscription { breaks }")
        assert heard(await talk.hear()) == next_of("1", {"breaks": 1})
        error = await talk.hear()

    assert code_of(error) == "INTERNAL"
    assert "7531" not in str(error)


async def test_each_event_has_a_context_of_its_own(api: Service) -> None:
    async with api.socket(init=None) as talk:
        await talk.start("1", "subscription { serials(events: 3) { serial } }")
        frames = [heard(await talk.hear()) for _ in range(3)]

    assert [frame["data"] for frame in frames] == [
        {"serials": {"serial": serial}} for serial in (2, 3, 4)
    ]


async def test_one_operation_too_many_is_a_typed_error() -> None:
    async with (
        service(rules=SocketRules(operations=2)) as api,
        api.socket(init=None) as talk,
    ):
        for identifier in "ab":
            await talk.start(identifier, "subscription { forever }")
            await talk.hear()
        await talk.start("c", "{ hello }")
        assert code_of(await talk.hear()) == "RATE_LIMITED"

        await talk.say(type="complete", id="a")
        await talk.start("c", "{ hello }")
        assert heard(await talk.hear()) == next_of("c", {"hello": "Hello, world!"})


async def test_the_deadline_holds_here_too() -> None:
    async with service(operation_seconds=0.05) as api, api.socket(init=None) as talk:
        await talk.start("1", "{ slow }")
        frame = await talk.hear()
        await api.watch.canceled.wait()

    assert frame["payload"]["errors"][0]["extensions"]["code"] == "UPSTREAM_UNAVAILABLE"


# --- the end ------------------------------------------------------------------------------------


async def test_complete_ends_the_operation_at_once(api: Service) -> None:
    async with api.socket(init=None) as talk:
        tasks = len(asyncio.all_tasks())
        for number in range(5):
            await talk.start(str(number), "subscription { forever }")
            await talk.hear()
        assert api.watch.open_streams == 5
        for number in range(5):
            await talk.say(type="complete", id=str(number))
        async with asyncio.timeout(2):
            await api.watch.canceled.wait()
        await talk.say(type="ping")
        assert await talk.hear() == {"type": "pong"}

        assert api.watch.open_streams == 0
        assert len(asyncio.all_tasks()) == tasks


@pytest.mark.parametrize("politely", [True, False])
async def test_a_client_that_vanishes_leaves_nothing_behind(
    api: Service, *, politely: bool
) -> None:
    tasks = len(asyncio.all_tasks())
    async with api.socket(init={"accessToken": api.sign_in()}) as talk:
        for number in range(5):
            await talk.start(str(number), "subscription { forever }")
            await talk.hear()
        await talk.start("slow", "{ slow }")
        await api.watch.started.wait()
        if not politely:
            talk.connection.transport.abort()
    async with asyncio.timeout(2):
        await api.watch.canceled.wait()
        while api.server.server_state.tasks:
            await asyncio.wait(api.server.server_state.tasks)

    assert api.watch.open_streams == 0
    assert len(asyncio.all_tasks()) == tasks
    assert api.drain.sockets == 0


async def test_the_socket_ends_when_its_token_expires(api: Service) -> None:
    async with api.socket(init={"accessToken": api.sign_in(seconds=0.05)}) as talk:
        await talk.start("1", "subscription { forever }")
        await talk.hear()
        code, reason = await talk.closed()

    assert code == 4403
    assert reason.startswith("TOKEN_EXPIRED: ")


async def test_the_socket_ends_when_its_session_ends(api: Service) -> None:
    token = api.sign_in()
    async with api.socket(init={"accessToken": token}) as talk, api.socket(init=None) as other:
        await api.session_ends.announce(api.tokens[token].session_id)
        code, reason = await talk.closed()
        await other.say(type="ping")
        assert await other.hear() == {"type": "pong"}

    assert (code, reason) == (4403, "SESSION_ENDED: The session has ended: log in again.")


# --- silence ------------------------------------------------------------------------------------

QUICK = SocketRules(ping_seconds=0.05, busy_ping_seconds=0.01, pong_seconds=0.05)


async def test_the_server_pings_and_a_pong_keeps_the_socket() -> None:
    async with service(rules=QUICK) as api, api.socket(init=None) as talk:
        for _ in range(3):
            assert await talk.hear() == {"type": "ping"}
            await talk.say(type="pong")


async def test_without_a_pong_the_socket_is_closed() -> None:
    async with service(rules=QUICK) as api, api.socket(init=None) as talk:
        assert await talk.hear() == {"type": "ping"}
        assert await talk.closed() == (4408, "No pong came")


async def test_a_ping_of_the_client_is_answered(api: Service) -> None:
    async with api.socket(init=None) as talk:
        await talk.say(type="ping", payload={"at": 1})
        assert await talk.hear() == {"type": "pong"}
        await talk.say(type="pong", payload=None)
        await talk.say(type="ping")
        assert await talk.hear() == {"type": "pong"}


@pytest.mark.parametrize("rules", [QUICK, SocketRules(send_seconds=0.05)])
async def test_a_client_that_never_reads_is_cut_off(rules: SocketRules) -> None:
    async with service(rules=rules) as api:
        deaf = await _deaf_client(api)
        try:
            async with asyncio.timeout(5):
                await api.watch.started.wait()
                # uvicorn forgets a connection when its transport is gone, and tells nobody
                while api.server.server_state.connections:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        finally:
            deaf.close()

        assert api.drain.sockets == 0


async def test_a_follower_that_fell_behind_is_sent_away_to_come_back(api: Service) -> None:
    async with api.socket(init=None) as talk:
        await talk.start("1", "subscription { behind }")
        assert (await talk.hear())["type"] == "next"
        assert await talk.closed() == (
            1013,
            "You read too slowly: come back with your newest cursor",
        )


async def _deaf_client(api: Service) -> sockets.socket:
    """Open a socket that starts a flood and never reads any of it."""
    loop = asyncio.get_running_loop()
    deaf = sockets.socket()
    deaf.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4_096)
    deaf.setblocking(False)
    await loop.sock_connect(deaf, ("127.0.0.1", api.port))
    await loop.sock_sendall(
        deaf,
        b"GET /graphql HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n",
    )
    assert b" 101 " in await loop.sock_recv(deaf, 4_096)
    await loop.sock_sendall(
        deaf,
        _masked(b'{"type":"connection_init"}')
        + _masked(
            b'{"id":"1","type":"subscribe",'
            b'"payload":{"query":"subscription { flood(size: 50000) }"}}'
        ),
    )
    return deaf


def _masked(text: bytes) -> bytes:
    """Frame a short text as clients must, with a mask of zeros."""
    length = (
        bytes([0x80 | len(text)]) if len(text) < 126 else b"\xfe" + struct.pack("!H", len(text))
    )
    return b"\x81" + length + b"\0\0\0\0" + text


# --- ceilings -----------------------------------------------------------------------------------


async def test_a_message_too_long_is_1009(api: Service) -> None:
    async with api.socket(init=None) as talk:
        with pytest.raises(ConnectionClosed):
            await talk.start("1", "{ hello }" + " " * 70_000)
            await talk.hear()
        code, _ = await talk.closed()

    assert code == 1009


async def test_our_own_ceiling_holds_below_that_of_the_server() -> None:
    async with (
        service(rules=SocketRules(message_bytes=1_000)) as api,
        api.socket(init=None) as talk,
    ):
        await talk.start("1", "{ hello }" + " " * 1_000)
        assert await talk.closed() == (1009, "A message may have 1000 bytes")


async def test_an_address_may_have_so_many_sockets() -> None:
    async with service(rules=SocketRules(per_address=2)) as api:
        async with api.socket(init=None), api.socket(init=None), api.socket() as third:
            assert await third.closed() == (4429, "Too many sockets: at most 2")
        async with api.socket(init=None):
            pass


async def test_an_account_may_have_so_many_sockets() -> None:
    async with service(rules=SocketRules(per_account=1)) as api:
        account = uuid7()
        async with api.socket(init={"accessToken": api.sign_in(account_id=account)}):
            async with api.socket() as second:
                await second.say(
                    type="connection_init",
                    payload={"accessToken": api.sign_in(account_id=account)},
                )
                assert await second.closed() == (4429, "Too many sockets: at most 1")
            async with api.socket(init={"accessToken": api.sign_in()}):
                pass


# --- origin and limits --------------------------------------------------------------------------


async def test_pages_of_other_origins_are_turned_away(api: Service) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        async with api.socket(origin="https://evil.example"):
            pass

    assert refusal.value.response.status_code == 403
    assert b'"code":"FORBIDDEN"' in (refusal.value.response.body or b"")


async def test_known_origins_our_own_pages_and_native_clients_come_in() -> None:
    async with service(allowed_origins=("https://app.example",)) as api:
        for origin in ("https://app.example", api.url, "http://127.0.0.1:8000", None):
            async with api.socket(init=None, origin=origin):
                pass


async def test_a_caller_over_its_limit_is_turned_away_at_the_door(api: Service) -> None:
    api.rate_limiter.left = 0
    with pytest.raises(InvalidStatus) as refusal:
        async with api.socket():
            pass

    assert refusal.value.response.status_code == 429
    assert refusal.value.response.headers["retry-after"] == "1"


async def test_operations_on_a_socket_count_as_requests_do(api: Service) -> None:
    async with api.socket(init=None) as talk:
        api.rate_limiter.left_of["edge:127.0.0.1"] = 2
        await talk.start("1", "{ hello }")
        await talk.hear()
        await talk.hear()
        await talk.start("2", "{ hello }")
        frame = await talk.hear()
        assert code_of(frame) == "RATE_LIMITED"
        assert frame["payload"][0]["extensions"]["retryAfter"] == 1
        await talk.say(type="ping")
        assert await talk.hear() == {"type": "pong"}


async def test_classes_of_operations_have_their_limits_on_sockets_too(api: Service) -> None:
    account = uuid7()
    token = api.sign_in(account_id=account)
    api.rate_limiter.left_of[f"authentication:account:{account}"] = 1
    async with api.socket(init={"accessToken": token}) as talk:
        await talk.start("1", 'mutation { logIn(name: "x") }')
        assert (await talk.hear())["type"] == "next"
        await talk.hear()
        await talk.start("2", 'mutation { logIn(name: "y") }')
        frame = await talk.hear()
        assert code_of(frame) == "RATE_LIMITED"
        assert frame["payload"][0]["extensions"]["retryAfter"] == 1

    assert api.watch.mutations == ["x"]


async def test_what_an_operation_costs_is_told_on_sockets_too(api: Service) -> None:
    async with api.socket(init=None) as talk:
        await talk.start("1", "{ hello }")
        frame = await talk.hear()
        assert frame["payload"]["extensions"]["cost"] == {
            "asked": 1,
            "limit": 10_000,
            "remaining": 999_999,
        }
        await talk.hear()
        api.rate_limiter.left_of["cost:address:127.0.0.1"] = 3
        await talk.start("2", "{ box { name } }")
        assert code_of(await talk.hear()) == "RATE_LIMITED"


async def test_nobody_signs_in_while_limits_are_unknown(api: Service) -> None:
    async with api.socket(init=None) as talk:
        api.rate_limiter.is_down = True
        await talk.start("1", 'mutation { logIn(name: "x") }')
        assert code_of(await talk.hear()) == "UPSTREAM_UNAVAILABLE"
        await talk.start("2", "{ hello }")
        assert heard(await talk.hear()) == next_of("2", {"hello": "Hello, world!"})

    assert api.watch.mutations == []


# --- going --------------------------------------------------------------------------------------


async def test_a_draining_process_takes_nothing_new_and_sends_its_sockets_away(
    api: Service,
) -> None:
    api.drain.seconds = 0.2
    loop = asyncio.get_running_loop()
    talks = [api.socket(init=None) for _ in range(20)]
    opened = [await talk.__aenter__() for talk in talks]
    left: list[float] = []

    async def wait(number: int) -> tuple[int, str]:
        outcome = await opened[number].closed()
        left.append(loop.time())
        return outcome

    waiting = [asyncio.create_task(wait(number)) for number in range(20)]
    began = loop.time()
    api.drain.begin()
    with pytest.raises(InvalidStatus) as refusal:
        async with api.socket():
            pass
    last = opened[-1]
    await last.start(str(uuid4()), "{ hello }")
    assert code_of(await last.hear()) == "UPSTREAM_UNAVAILABLE"

    assert set(await asyncio.gather(*waiting)) == {(1012, "This server restarts: connect again.")}
    assert await api.drain.finished(within=1)
    assert refusal.value.response.status_code == 503
    assert max(left) - min(left) > 0.05
    assert max(left) - began < 1
    for talk in talks:
        await talk.__aexit__(None, None, None)
