"""Administration over HTTP: an admin, a reader, and what passes between them."""

import asyncio
import time
from collections.abc import AsyncIterator
from ipaddress import ip_network
from uuid import uuid4

import pytest
from graphql import GraphQLObjectType
from sqlalchemy import text

from domain.accounts import Role
from domain.audit import Act
from domain.jobs import JobState
from schema.nodes import ACCOUNT, STORY, global_id
from schema.schema import schema
from tests.authenticator import Authenticator
from tests.clients.graphql import GraphQLApi, SocketClosed
from tests.factories import a_delivery, a_story
from tests.fakes.accounts import DEVICE
from tests.figures import Figures
from tests.integration.accounts.town import EMAIL, ORIGIN, PASSWORD, Client, Town, town
from tests.jobs import claim_of
from usecases.deliveries.send_delivery import SendDeliveryTask
from usecases.ports.reads import JobsPage
from usecases.stories.write_story import WriteStoryTask

ADMIN = "ada@readers.example"
LOOPBACK = ip_network("127.0.0.0/8")
WITHIN = 5
"""Seconds within which a suspended account has lost its sockets."""

LOOK = """query ($by: AccountLookup!) { administration { account(by: $by) {
  accountId email displayName status role createdAt verifiedAt suspendedAt deletion { dueAt }
  sessions { id device location isCurrent } auditLog(first: 3) { nodes {
    act clientAddress details { name value } } pageInfo { hasNextPage } } } } }"""
JOBS = """query ($queue: Queue) { administration {
  jobs { queue scheduled queued running dead oldestWaitingSeconds }
  deadLetters(queue: $queue, kind: "write_story") { nodes {
    id kind queue attempts createdAt finishedAt error accountId requestId }
    edges { cursor } pageInfo { hasNextPage } }
  runningJobs(queue: $queue) { nodes {
    id kind queue attempt progress progressTotal createdAt lastError accountId requestId } } } }"""
MANAGED = "account { suspendedAt } ended"
WATCH = "subscription { viewerEvents { __typename } }"
WHY = "stolen card"


@pytest.fixture
async def ada(place: Town) -> Client:
    """Return the browser of an admin who is logged in."""
    await place.account(ADMIN, role=Role.ADMIN)
    client = Client(place)
    await client.log_in(ADMIN)
    return client


async def _long_ago(place: Town) -> None:
    async with place.container.engine.begin() as connection:
        await connection.execute(
            text("UPDATE sessions SET authenticated_at = authenticated_at - interval '15 minutes'")
        )


async def _code(client: Client) -> str | None:
    """Return the code that an admin's query is refused with."""
    answer = await client.run("{ administration { __typename } }")
    if "errors" not in answer:
        return None
    return str(answer["errors"][0]["extensions"]["code"])


async def test_an_admin_sees_what_helps_and_no_secret(ada: Client, mira: Client) -> None:
    reader = (await mira.run("{ viewer { id } }"))["data"]["viewer"]["id"]
    by_id = (await ada.run(LOOK, by={"id": reader}))["data"]["administration"]["account"]
    by_email = (await ada.run(LOOK, by={"email": "MIRA@readers.example"}))["data"]
    account = by_email["administration"]["account"]
    assert (
        (account["accountId"], account["email"])
        == (reader, EMAIL)
        == (
            by_id["accountId"],
            by_id["email"],
        )
    )
    assert (account["status"], account["role"], account["suspendedAt"]) == ("ACTIVE", "USER", None)
    assert [(one["location"], one["isCurrent"]) for one in account["sessions"]] == [
        ("this computer", False)
    ]
    acts = [node["act"] for node in account["auditLog"]["nodes"]]
    assert acts == ["ACCOUNT_VIEWED", "ACCOUNT_VIEWED", "LOGGED_IN"]
    published = schema._schema.type_map["ManagedAccount"]  # noqa: SLF001 - the schema itself
    assert isinstance(published, GraphQLObjectType)
    assert published.fields.keys() == account.keys()
    for unknown in ({"id": "bm9uZQ"}, {"email": "nobody@readers.example"}):
        answer = await ada.run(LOOK, by=unknown)
        assert answer["data"] == {"administration": {"account": None}}
    both = await ada.run(LOOK, by={"id": reader, "email": EMAIL})
    assert both["errors"][0]["extensions"]["code"] == "VALIDATION_FAILED"


async def test_a_suspended_account_is_shut_within_seconds_and_its_owner_told(
    place: Town, ada: Client, mira: Client, figures: Figures
) -> None:
    reader = (await mira.run("{ viewer { id } }"))["data"]["viewer"]["id"]
    async with (
        GraphQLApi(f"{place.url}/graphql") as api,
        api.subscribe(WATCH, token=mira.token, within=WITHIN) as events,
    ):
        await anext(events)
        closing = asyncio.create_task(_closed(events))
        answer = await ada.ask("suspendAccount", MANAGED, accountId=reader, reason=WHY)
        suspended = time.perf_counter()
        assert (answer["ended"], answer["account"]["suspendedAt"] is None) == (1, False)
        took = await closing - suspended
        assert events.close_code == 4403
    assert took <= WITHIN
    figures.show("a suspended account", f"socket closed after {took * 1000:.0f} ms of {WITHIN} s")
    assert await mira.email() is None
    assert (await mira.refresh(refreshToken=mira.refresh_token or ""))["code"] == "UNAUTHENTICATED"
    stranger = Client(place)
    wrong = await stranger.log_in(EMAIL, "not the password")
    unknown = await stranger.log_in("nobody@readers.example", "not the password")
    right = await stranger.log_in(EMAIL, PASSWORD)
    assert wrong == unknown
    assert (wrong["__typename"], right["__typename"]) == ("WrongCredentials", "AccountSuspended")
    assert right["code"] == "ACCOUNT_SUSPENDED"
    assert (EMAIL, "Your account is suspended") in await place.told()

    await ada.ask("reinstateAccount", "account { suspendedAt }", accountId=reader, reason=WHY)
    assert (EMAIL, "Your account is open again") in await place.told()
    assert "tokens" in await mira.log_in()
    log = await mira.run(
        "{ viewer { auditLog(first: 4) { nodes { act clientAddress details { name value } } } } }"
    )
    told = {node["act"]: node for node in log["data"]["viewer"]["auditLog"]["nodes"]}
    assert told.keys() >= {"ACCOUNT_SUSPENDED", "ACCOUNT_REINSTATED"}
    details = {one["name"]: one["value"] for one in told["ACCOUNT_SUSPENDED"]["details"]}
    assert details.keys() == {"admin", "reason"}
    assert told["ACCOUNT_SUSPENDED"]["clientAddress"] is None


async def _closed(events: AsyncIterator[object]) -> float:
    """Return when the socket was closed."""
    with pytest.raises(SocketClosed):
        await anext(events)
    return time.perf_counter()


async def test_an_admin_logs_an_account_out_everywhere(
    place: Town, ada: Client, mira: Client
) -> None:
    phone = Client(place)
    await phone.log_in()
    reader = (await mira.run("{ viewer { id } }"))["data"]["viewer"]["id"]
    answer = await ada.ask("endAccountSessions", MANAGED, accountId=reader, reason=WHY)
    assert answer["ended"] == 2
    assert [await phone.email(), await mira.email()] == [None, None]
    assert "tokens" in await mira.log_in()
    junk = await ada.ask("endAccountSessions", MANAGED, accountId="bm9uZQ", reason=WHY)
    assert (junk["__typename"], junk["path"]) == ("AccountNotFound", ["input", "accountId"])


async def test_long_after_the_log_in_it_takes_the_password_again(place: Town, ada: Client) -> None:
    assert await _code(ada) is None
    await _long_ago(place)
    assert await _code(ada) == "REAUTHENTICATION_REQUIRED"
    refused = await ada.ask("reauthenticate", "session { id }", password="not the password")
    assert refused["__typename"] == "WrongCredentials"
    assert await _code(ada) == "REAUTHENTICATION_REQUIRED"
    token = ada.token
    answer = await ada.ask("reauthenticate", "session { id authenticatedAt }", password=PASSWORD)
    assert answer["session"]["authenticatedAt"] is not None
    assert (await _code(ada), ada.token) == (None, token)


async def test_a_log_in_with_a_passkey_is_as_good(place: Town, ada: Client) -> None:
    container = place.container
    assert ada.token
    claims = await container.use_cases.authenticate(ada.token)
    options = await container.use_cases.begin_passkey_registration(
        claims, password=PASSWORD, device=DEVICE
    )
    authenticator = Authenticator(ORIGIN)
    await container.use_cases.finish_passkey_registration(
        claims, credential=authenticator.create(options), name="Key", device=DEVICE
    )
    await _long_ago(place)
    begun = await container.use_cases.begin_passkey_log_in()
    logged_in = await container.use_cases.finish_passkey_log_in(
        credential=authenticator.get(begun), device=DEVICE
    )
    assert await _code(ada) == "REAUTHENTICATION_REQUIRED"
    ada.token = logged_in.tokens.access_token
    assert await _code(ada) is None


async def test_what_a_caller_says_of_its_address_opens_nothing(
    postgres_url: str, redis_url: str
) -> None:
    async with town(
        postgres_url, redis_url, admin_networks=(ip_network("203.0.113.0/24"),)
    ) as place:
        await place.account(ADMIN, role=Role.ADMIN)
        ada = Client(place)
        await ada.log_in(ADMIN)
        ada.headers["x-forwarded-for"] = "203.0.113.7"
        assert await _code(ada) == "FORBIDDEN"
    async with town(
        postgres_url,
        redis_url,
        admin_networks=(ip_network("203.0.113.0/24"),),
        trusted_proxies=(LOOPBACK,),
    ) as place:
        there = Client(place, token=ada.token, headers={"x-forwarded-for": "203.0.113.7"})
        assert await _code(there) is None
        there.headers["x-forwarded-for"] = "203.0.113.7, 198.51.100.9"
        assert await _code(there) == "FORBIDDEN"


async def test_an_admin_cannot_suspend_themselves(ada: Client) -> None:
    account_id = (await ada.run("{ viewer { id } }"))["data"]["viewer"]["id"]
    answer = await ada.ask("suspendAccount", MANAGED, accountId=account_id, reason=WHY)
    assert (answer["__typename"], answer["code"]) == ("OwnAccount", "FORBIDDEN")
    assert await ada.email() == ADMIN


async def test_an_admin_sees_jobs_and_decides_about_dead_letters(
    place: Town, ada: Client, mira: Client
) -> None:
    reader = (await mira.run("{ viewer { id } }"))["data"]["viewer"]["id"]
    claims = await place.container.use_cases.authenticate(mira.token or "")
    story = a_story(claims.account_id, requested_at=place.container.clock.now())
    story.fail("UPSTREAM_UNAVAILABLE", "Gone.", story.requested_at)
    desk, database = place.container.job_desk, place.container.database
    async with database.begin() as work:
        await work.stories.add(story)
        job = await work.jobs.add(WriteStoryTask(story_id=story.id), account_id=claims.account_id)
        running = await work.jobs.add(WriteStoryTask(story_id=story.id), key="another")
    for one in (job, running):
        claim = await claim_of(desk, one)
        assert claim is not None
        async with database.begin(claim[1]) as work:
            await work.jobs.report(claim[1], 1, 3)
        if one is job:
            await desk.bury(claim[1], "UPSTREAM_UNAVAILABLE: Gemini answered 503 UNAVAILABLE")

    seen = (await ada.run(JOBS, queue="STORIES"))["data"]["administration"]
    loads = {load.pop("queue"): load for load in seen["jobs"]}
    assert (loads["STORIES"]["running"], loads["STORIES"]["dead"]) == (1, 1)
    assert loads["STORIES"]["oldestWaitingSeconds"] is None
    assert loads["FILES"]["queued"] == 0
    [letter] = seen["deadLetters"]["nodes"]
    assert (letter["id"], letter["accountId"], letter["attempts"]) == (str(job.id), reader, 1)
    assert letter["error"] == "UPSTREAM_UNAVAILABLE: Gemini answered 503 UNAVAILABLE"
    [runs] = seen["runningJobs"]["nodes"]
    assert (runs["id"], runs["progress"], runs["progressTotal"]) == (str(running.id), 1, 3)
    other = (await ada.run(JOBS, queue="MAIL"))["data"]["administration"]
    assert (other["deadLetters"]["nodes"], other["runningJobs"]["nodes"]) == ([], [])

    retried = await ada.ask("retryDeadLetter", "jobId", jobId=letter["id"], reason=WHY)
    assert retried["jobId"] == letter["id"]
    for mutation in ("retryDeadLetter", "discardDeadLetter"):
        for unknown in (letter["id"], "rubbish"):
            answer = await ada.ask(mutation, jobId=unknown, reason=WHY)
            assert (answer["__typename"], answer["path"]) == (
                "DeadLetterNotFound",
                ["input", "jobId"],
            )
    own = await mira.run(
        "query ($id: ID!) { story(id: $id) { status failure { code } } }",
        id=global_id(STORY, story.id),
    )
    assert own["data"]["story"] == {"status": "QUEUED", "failure": None}
    assert (await place.acts(claims.account_id))[-1] is Act.JOB_RETRIED


async def test_what_cannot_be_retried_says_why_and_stays_a_dead_letter(
    place: Town, ada: Client
) -> None:
    desk, database = place.container.job_desk, place.container.database
    expired = a_delivery((await place.account()).id)
    expired.fail(expired.created_at, "hopeless")
    twice, late = SendDeliveryTask(delivery_id=uuid4()), SendDeliveryTask(delivery_id=expired.id)
    async with database.begin() as work:
        await work.deliveries.add(expired)
        letters = [await work.jobs.add(task) for task in (twice, late)]
    for letter in letters:
        claim = await claim_of(desk, letter)
        assert claim is not None
        await desk.bury(claim[1], "hopeless")
    async with database.begin() as work:
        await work.jobs.add(twice)

    for letter, refusal in zip(letters, ("JobLives", "MailNotOwed"), strict=True):
        answer = await ada.ask("retryDeadLetter", jobId=str(letter.id), reason=WHY)
        assert (answer["__typename"], answer["path"]) == (refusal, ["input", "jobId"])
    dead = await place.container.reads.jobs(JobsPage(JobState.DEAD, 9))
    assert {letter.id for letter in dead} == {letter.id for letter in letters}
    first = await ada.ask("discardDeadLetter", "jobId", jobId=str(letters[0].id), reason=WHY)
    assert first["jobId"] == str(letters[0].id)
    assert len(await place.container.reads.jobs(JobsPage(JobState.DEAD, 9))) == 1


async def test_suspending_and_logging_in_at_once_leaves_no_session(
    place: Town, ada: Client
) -> None:
    account = await place.account()
    public_id = global_id(ACCOUNT, account.id)
    phones = [Client(place) for _ in range(10)]
    await asyncio.gather(
        *(phone.log_in() for phone in phones[:5]),
        ada.ask("suspendAccount", MANAGED, accountId=public_id, reason=WHY),
        *(phone.log_in() for phone in phones[5:]),
    )
    async with place.container.engine.connect() as connection:
        live = await connection.scalar(
            text("SELECT count(*) FROM sessions WHERE account_id = :id AND ended_at IS NULL"),
            {"id": account.id},
        )
    assert live == 0
    assert (await place.acts(account.id)).count(Act.ACCOUNT_SUSPENDED) == 1
