"""The refresh token in a browser's cookie: who is given it, who may use it, who clears it."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest
from httpx2 import AsyncClient

from schema.cookies import NAME
from tests.clients.graphql import GraphQLApi
from tests.integration.accounts.town import EMAIL, FIREFOX, ORIGIN, PASSWORD, Client, Town

COOKIE = {"tokenDelivery": "COOKIE"}


def browser(place: Town, **headers: str) -> Client:
    """Return a browser that shows a page of an allowed origin."""
    own = {"user-agent": FIREFOX, "origin": ORIGIN, "sec-fetch-site": "same-site"}
    return Client(place, own | {name.replace("_", "-"): value for name, value in headers.items()})


@pytest.fixture
async def page(place: Town) -> Client:
    """Return a browser that is logged in by a cookie."""
    await place.account()
    client = browser(place)
    await client.log_in(**COOKIE)
    return client


# --- how it is given ------------------------------------------------------------------------------


async def test_a_browser_gets_its_refresh_token_where_no_script_reads_it(place: Town) -> None:
    await place.account()
    page = browser(place)
    answer = await page.log_in(**COOKIE)

    assert answer["tokens"]["refreshToken"] is None
    assert page.response is not None
    [cookie] = [each for each in page.cookies if each.key == NAME]
    assert (cookie["path"], cookie["domain"], cookie["samesite"]) == ("/", "", "Strict")
    assert cookie["secure"]
    assert cookie["httponly"]
    assert cookie.value == page.jar
    assert cookie.value not in page.response.text
    left = parsedate_to_datetime(cookie["expires"]) - datetime.now(UTC)
    assert timedelta(days=29, hours=23) < left <= timedelta(days=30)


async def test_a_native_client_gets_it_in_the_payload_and_no_cookie(place: Town) -> None:
    await place.account()
    app = Client(place)
    answer = await app.log_in()
    renewed = await app.refresh(refreshToken=answer["tokens"]["refreshToken"])

    assert renewed["tokens"]["refreshToken"] not in {None, answer["tokens"]["refreshToken"]}
    assert app.jar is None


async def test_over_a_websocket_no_cookie_can_be_set(place: Town, page: Client) -> None:
    query = """mutation ($input: LogInInput!) { logIn(input: $input) {
      __typename ... on InvalidInput { path issues { path code } } } }"""
    refresh = """mutation { refreshTokens(input: {}) {
      __typename ... on InvalidInput { path issues { path code } } } }"""
    variables = {"input": {"email": EMAIL, "password": PASSWORD, **COOKIE}}
    answers = []
    async with GraphQLApi(f"{place.url}/graphql") as api:
        for text, values in ((query, variables), (refresh, {})):
            async with api.subscribe(text, values, within=5) as events:
                answers.extend([data async for data in events])
    del page
    assert answers == [
        {
            "logIn": {
                "__typename": "InvalidInput",
                "path": ["input", "tokenDelivery"],
                "issues": [{"path": ["input", "tokenDelivery"], "code": "no_cookies_here"}],
            }
        },
        {
            "refreshTokens": {
                "__typename": "InvalidInput",
                "path": ["input", "refreshToken"],
                "issues": [{"path": ["input", "refreshToken"], "code": "no_cookies_here"}],
            }
        },
    ]


# --- how it is used -------------------------------------------------------------------------------


async def test_a_session_is_carried_on_by_the_cookie(page: Client) -> None:
    first = page.jar
    answer = await page.refresh()

    assert answer["tokens"]["refreshToken"] is None
    assert page.jar not in {None, first}
    assert await page.email() == EMAIL


async def test_two_tabs_that_refresh_at_once_get_the_same_cookie(place: Town, page: Client) -> None:
    tabs = [browser(place) for _ in range(8)]
    for tab in tabs:
        tab.jar = page.jar
    answers = await asyncio.gather(*(tab.refresh() for tab in tabs))

    assert {answer["__typename"] for answer in answers} == {"RefreshTokensSuccess"}
    [successor] = {tab.jar for tab in tabs}
    assert successor != page.jar
    page.jar = successor
    assert (await page.refresh())["__typename"] == "RefreshTokensSuccess"


async def test_a_lost_answer_is_given_again(page: Client) -> None:
    before = page.jar
    await page.refresh()
    lost, page.jar = page.jar, before
    await page.refresh()

    assert page.jar == lost


async def test_a_cookie_that_was_used_twice_is_ended_and_cleared(place: Town, page: Client) -> None:
    stolen = page.jar
    await page.refresh()
    await page.refresh()
    thief = browser(place)
    thief.jar = stolen
    answer = await thief.refresh()

    assert answer["__typename"] == "RefreshReused"
    assert thief.jar is None
    assert await page.email() is None
    assert (await page.refresh())["__typename"] == "RefreshRejected"
    assert page.jar is None


async def test_without_a_cookie_there_is_nothing_to_refresh(place: Town) -> None:
    page = browser(place)
    assert (await page.refresh())["__typename"] == "RefreshRejected"
    assert page.cookies == []


async def test_a_token_in_the_input_goes_before_the_cookie(place: Town, page: Client) -> None:
    app = Client(place)
    await app.log_in()
    jar = page.jar
    answer = await page.ask(
        "refreshTokens", "tokens { refreshToken }", refreshToken=app.refresh_token or ""
    )

    assert answer["tokens"]["refreshToken"] is not None
    assert (page.jar, page.cookies) == (jar, [])


# --- who may --------------------------------------------------------------------------------------

FOREIGN = {
    "another origin": {"origin": "https://evil.example", "sec_fetch_site": "cross-site"},
    "another origin that hides where it is": {"origin": "https://evil.example"},
    "an opaque origin": {"origin": "null"},
    "another scheme": {"origin": ORIGIN.replace("https", "http")},
    "a neighbour": {"origin": "https://app.storyloom.example.evil.example"},
    "a page that a browser calls foreign": {"sec_fetch_site": "cross-site"},
    "no page at all": {"sec_fetch_site": "none"},
}


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
async def test_a_page_of_another_site_can_neither_use_nor_plant_a_cookie(
    place: Town, page: Client, headers: dict[str, str]
) -> None:
    other = browser(place, **headers)
    other.jar = page.jar
    for answer in (
        await other.refresh(),
        await other.ask("logOut"),
        await other.log_in(**COOKIE),
    ):
        assert (answer["__typename"], answer["code"]) == ("ForeignOrigin", "FORBIDDEN")
        assert other.cookies == []
    assert (await page.refresh())["__typename"] == "RefreshTokensSuccess"


async def test_who_names_no_origin_is_no_browser(place: Town, page: Client) -> None:
    other = Client(place)
    other.jar = page.jar
    assert (await other.refresh())["__typename"] == "ForeignOrigin"
    assert (await other.log_in(**COOKIE))["path"] == ["input", "tokenDelivery"]


async def test_the_services_own_pages_may(place: Town, page: Client) -> None:
    own = browser(place, origin=place.url, sec_fetch_site="same-origin")
    own.jar = page.jar
    assert (await own.refresh())["__typename"] == "RefreshTokensSuccess"


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
async def test_what_a_form_can_send_reaches_no_mutation(
    place: Town, page: Client, kind: str
) -> None:
    """Only application/json makes a browser ask first, and CORS says no to other sites."""
    async with AsyncClient() as http:
        answer = await http.post(
            f"{place.url}/graphql",
            content=b'{"query": "mutation { refreshTokens(input: {}) { __typename } }"}',
            headers={"content-type": kind, "origin": ORIGIN, "cookie": f"{NAME}={page.jar}"},
        )
        preflight = await http.options(
            f"{place.url}/graphql",
            headers={
                "origin": "https://evil.example",
                "access-control-request-method": "POST",
                "access-control-request-headers": "content-type",
            },
        )
    assert (answer.status_code, "set-cookie" in answer.headers) == (415, False)
    assert preflight.status_code == 403
    assert "access-control-allow-origin" not in preflight.headers


async def test_a_get_never_uses_the_cookie(place: Town, page: Client) -> None:
    async with AsyncClient() as http:
        answer = await http.get(
            f"{place.url}/graphql",
            params={"query": "mutation { refreshTokens(input: {}) { __typename } }"},
            headers={
                "origin": ORIGIN,
                "cookie": f"{NAME}={page.jar}",
                "graphql-require-preflight": "1",
            },
        )
    assert (answer.status_code, "set-cookie" in answer.headers) == (405, False)


# --- how it goes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("with_access_token", [True, False])
async def test_log_out_ends_the_session_and_clears_the_cookie(
    page: Client, *, with_access_token: bool
) -> None:
    access, before = page.token, page.jar
    page.token = access if with_access_token else None
    answer = await page.ask("logOut", "wasLoggedIn")

    assert answer == {"__typename": "LogOutSuccess", "wasLoggedIn": True}
    [cookie] = page.cookies
    assert (cookie.key, cookie.value, cookie["path"]) == (NAME, "", "/")
    assert parsedate_to_datetime(cookie["expires"]) < datetime.now(UTC)
    assert page.jar is None
    page.token, page.jar = access, before
    assert await page.email() is None
    assert (await page.refresh())["__typename"] == "RefreshRejected"


async def test_logging_out_everywhere_clears_the_cookie(page: Client) -> None:
    answer = await page.ask("logOutEverywhere", "ended", password=PASSWORD)

    assert answer["ended"] == 1
    assert page.jar is None


async def test_other_answers_leave_the_cookie_alone(page: Client) -> None:
    jar = page.jar
    await page.email()
    await page.ask("endOtherSessions", "ended", password=PASSWORD)

    assert page.cookies == []
    assert page.jar == jar
