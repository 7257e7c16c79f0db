"""The cookie by which a browser is known: kept from scripts, and from other sites' pages."""

from datetime import timedelta

from starlette.datastructures import Headers

from api.cookies import cookies_to_set, read_cookies
from api.origins import Origins
from schema.accounts.delivery import TokenDelivery, hand_over_device
from schema.context import Client, Context
from schema.cookies import DEVICE_NAME, Cookies
from tests.fakes.accounts import AccountDesk
from tests.fakes.reads import FakeReads

HOST = "stories.example"
KNOWN = "sld_known"


def brought(origin: str, token: str = KNOWN) -> Cookies:
    headers = Headers({"host": HOST, "origin": origin, "cookie": f"{DEVICE_NAME}={token}; other=1"})
    return read_cookies(headers, Origins([], f"https://{HOST}"))


def device_of(cookies: Cookies, presented: str | None = None) -> str | None:
    context = Context(
        use_cases=None,  # type: ignore[arg-type] # not asked for here
        reads=FakeReads(AccountDesk().database),
        client=Client("203.0.113.7", "Firefox"),
        request_id="request",
        cookies=cookies,
    )
    return context.device(presented).token


def test_a_page_of_ours_is_known_by_its_cookie() -> None:
    assert device_of(brought(f"https://{HOST}")) == "sld_known"


def test_a_foreign_page_is_not_and_an_oversized_cookie_is_none() -> None:
    assert device_of(brought("https://evil.example")) is None
    assert device_of(brought(f"https://{HOST}", "x" * 600)) is None


def test_what_a_client_presents_itself_comes_first() -> None:
    assert device_of(brought(f"https://{HOST}"), "sld_mine") == "sld_mine"


def test_it_is_set_where_the_refresh_token_goes_into_a_cookie_too() -> None:
    cookies = Cookies(settable=True, trusted=True)
    assert hand_over_device("sld_new", TokenDelivery.PAYLOAD, cookies) == "sld_new"
    assert list(cookies_to_set(cookies)) == []
    assert hand_over_device("sld_new", TokenDelivery.COOKIE, cookies) is None
    seconds = int(timedelta(days=180).total_seconds())
    assert list(cookies_to_set(cookies)) == [
        f"{DEVICE_NAME}=sld_new; Max-Age={seconds}; Path=/; Secure; HttpOnly; SameSite=Strict"
    ]
