"""Sessions: seen by their owner, and ended from another one."""

import asyncio
from uuid import uuid4

import pytest

from domain.audit import Act
from schema.nodes import SESSION, global_id
from tests.integration.accounts.town import PASSWORD, Client, Town


async def test_an_account_sees_where_it_is_logged_in(place: Town, mira: Client) -> None:
    phone = Client(place, {"user-agent": "StoryloomApp/2.0"})
    await phone.log_in()
    await place.account("other@readers.example")
    await Client(place).log_in("other@readers.example")

    newest, first = await mira.sessions()
    assert (newest["device"], newest["isCurrent"]) == ("StoryloomApp", False)
    assert (first["device"], first["isCurrent"]) == ("Firefox on Linux", True)
    assert first["location"] == "this computer"
    assert first["createdAt"] == first["lastUsedAt"] < first["expiresAt"]

    await mira.refresh(refreshToken=mira.refresh_token or "")
    assert [session["isCurrent"] for session in await mira.sessions()] == [True, False]


async def test_a_session_is_a_node_of_its_owner_alone(place: Town, mira: Client) -> None:
    [session] = await mira.sessions()
    query = "query ($id: ID!) { node(id: $id) { __typename ... on Session { device } } }"
    mine = await mira.run(query, id=session["id"])
    await place.account("other@readers.example")
    other = Client(place)
    await other.log_in("other@readers.example")
    theirs = await other.run(query, id=session["id"])

    assert mine["data"]["node"] == {"__typename": "Session", "device": "Firefox on Linux"}
    assert theirs["data"]["node"] is None


async def test_ending_one_session_spares_the_others(place: Town, mira: Client) -> None:
    phone = Client(place)
    await phone.log_in()
    lost = next(one for one in await mira.sessions() if not one["isCurrent"])
    ends = place.container.session_ends
    async with ends.ended(await phone.session_id()) as gone, asyncio.timeout(5):
        answer = await mira.ask(
            "endSession", "ended sessions { isCurrent }", sessionId=lost["id"], password=PASSWORD
        )
        await gone.wait()

    assert answer == {
        "__typename": "EndSessionSuccess",
        "ended": 1,
        "sessions": [{"isCurrent": True}],
    }
    assert await phone.email() is None
    assert (await phone.refresh(refreshToken=phone.refresh_token or ""))["code"] == (
        "UNAUTHENTICATED"
    )
    assert await mira.email() is not None
    again = await mira.ask("endSession", "ended", sessionId=lost["id"], password=PASSWORD)
    assert again["ended"] == 0


async def test_somebody_elses_session_is_not_found_and_stays(place: Town, mira: Client) -> None:
    await place.account("other@readers.example")
    other = Client(place)
    await other.log_in("other@readers.example")
    [theirs] = await other.sessions()

    for session_id in (theirs["id"], str(global_id(SESSION, uuid4())), "nonsense"):
        answer = await mira.ask("endSession", sessionId=session_id, password=PASSWORD)
        assert (answer["__typename"], answer["path"]) == ("NotFound", ["input", "sessionId"])
    assert await other.email() == "other@readers.example"


async def test_ending_the_others_keeps_this_one(place: Town, mira: Client) -> None:
    others = [Client(place) for _ in range(3)]
    for other in others:
        await other.log_in()
    answer = await mira.ask("endOtherSessions", "ended sessions { isCurrent }", password=PASSWORD)

    assert (answer["ended"], answer["sessions"]) == (3, [{"isCurrent": True}])
    assert [await other.email() for other in others] == [None] * 3
    assert await mira.email() is not None


async def test_logging_out_everywhere_ends_this_one_too(place: Town, mira: Client) -> None:
    phone = Client(place)
    await phone.log_in()
    sessions = [await client.session_id() for client in (mira, phone)]
    ends = place.container.session_ends
    async with (
        asyncio.timeout(5),
        ends.ended(sessions[0]) as first,
        ends.ended(sessions[1]) as second,
    ):
        answer = await mira.ask("logOutEverywhere", "ended", password=PASSWORD)
        await first.wait()
        await second.wait()

    assert answer["ended"] == 2
    assert [await client.email() for client in (mira, phone)] == [None, None]
    first_session = await place.container.reads.session(sessions[0])
    assert first_session is not None
    assert (await place.acts(first_session.account_id))[-2:] == [Act.SESSION_ENDED] * 2


@pytest.mark.parametrize("mutation", ["endSession", "endOtherSessions", "logOutEverywhere"])
async def test_the_password_is_asked_again_and_a_wrong_one_changes_nothing(
    place: Town, mira: Client, mutation: str
) -> None:
    phone = Client(place)
    await phone.log_in()
    lost = next(one for one in await mira.sessions() if not one["isCurrent"])
    which = {"sessionId": lost["id"]} if mutation == "endSession" else {}
    answer = await mira.ask(mutation, password="not my password", **which)

    assert answer["__typename"] == "WrongCredentials"
    assert (answer["code"], answer["path"]) == ("UNAUTHENTICATED", ["input", "password"])
    assert len(await mira.sessions()) == 2
    stranger = await Client(place).ask(mutation, password=PASSWORD, **which)
    assert stranger["__typename"] == "Unauthenticated"
    assert await phone.email() is not None


async def test_wrong_passwords_count_towards_the_lockout(mira: Client) -> None:
    answers = [
        (await mira.ask("endOtherSessions", password=f"guess {n}"))["__typename"] for n in range(6)
    ]
    assert answers == ["WrongCredentials"] * 5 + ["AccountLocked"]
    assert (await mira.ask("endOtherSessions", password=PASSWORD))["code"] == "ACCOUNT_LOCKED"
