"""The audit log as its owner reads it."""

from datetime import timedelta
from typing import Any

import pytest
from strawberry.types import get_object_definition

from domain.audit import Act, AuditEntry
from schema.accounts.audit_log import AuditEntryType
from tests.fakes.accounts import DEVICE, EMAIL, PASSWORD
from tests.unit.schema.test_accounts import Browser

LOG = """query ($first: Int!, $after: Cursor) { viewer { auditLog(first: $first, after: $after) {
  nodes { id act occurredAt sessionId clientAddress userAgent details { name value } }
  edges { cursor node { id } }
  pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }"""


@pytest.fixture
async def browser() -> Browser:
    """Return a browser that is logged in."""
    browser = Browser()
    await browser.desk.account()
    logged_in = await browser.desk.log_in(email=EMAIL, password=PASSWORD, device=DEVICE)
    browser.token = logged_in.tokens.access_token
    return browser


async def page(browser: Browser, **variables: object) -> dict[str, Any]:
    data, errors = await browser.run(LOG, **variables)
    assert errors == []
    found: dict[str, Any] = data["viewer"]["auditLog"]
    return found


async def test_a_log_in_is_told_with_its_device(browser: Browser) -> None:
    [entry] = (await page(browser, first=10))["nodes"]
    [record] = browser.desk.database.audited
    assert entry == {
        "id": str(record.entry.id),
        "act": "LOGGED_IN",
        "occurredAt": "2026-03-14T15:09:26.000Z",
        "sessionId": str(browser.desk.session.id),
        "clientAddress": "203.0.113.7",
        "userAgent": "Firefox",
        "details": [{"name": "method", "value": "password"}],
    }


async def test_the_log_is_paged_newest_first_and_without_loss(browser: Browser) -> None:
    account = browser.desk.accounts[0]
    for number in range(6):
        browser.desk.clock.advance(timedelta(seconds=number % 2))
        async with browser.desk.database.begin() as work:
            await work.audit.record(Act.LOG_IN_FAILED, account.id)
            await work.audit.record(Act.LOG_IN_FAILED, None)
    seen: list[str] = []
    after, more = None, True
    while more:
        found = await page(browser, first=3, after=after)
        assert found["pageInfo"]["hasPreviousPage"] is (after is not None)
        seen += [edge["node"]["id"] for edge in found["edges"]]
        after, more = found["pageInfo"]["endCursor"], found["pageInfo"]["hasNextPage"]
    mine = [r.entry for r in browser.desk.database.audited if r.entry.account_id == account.id]
    assert seen == [str(entry.id) for entry in reversed(mine)]
    assert len(seen) == 7


async def test_what_was_erased_is_told_as_not_known(browser: Browser) -> None:
    account = browser.desk.accounts[0]
    async with browser.desk.database.begin() as work:
        await work.audit.erase(account.id)
    [entry] = (await page(browser, first=1))["nodes"]
    assert (entry["clientAddress"], entry["userAgent"], entry["details"]) == (None, None, [])


@pytest.mark.parametrize("first", [0, 101, -1])
async def test_a_page_has_1_to_100_entries(browser: Browser, first: int) -> None:
    _, errors = await browser.run(LOG, first=first)
    assert len(errors) == 1


async def test_a_cursor_that_is_none_of_ours_is_refused(browser: Browser) -> None:
    _, errors = await browser.run(LOG, first=1, after="rubbish")
    assert len(errors) == 1


def test_nothing_of_the_chain_is_published() -> None:
    definition = get_object_definition(AuditEntryType, strict=True)
    published = {field.python_name for field in definition.fields}
    of_entry = set(AuditEntry.model_fields) - {
        *("sequence", "account_id", "details_digest", "previous", "digest")
    }
    assert published == of_entry | {"client_address", "user_agent", "details"}
