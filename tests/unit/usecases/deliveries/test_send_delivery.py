"""A mail is sent once, and each fault has its consequence."""

import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from loguru import logger
from uuid_utils.compat import uuid7

from domain.codes import Challenge, CodePurpose
from domain.deliveries import Delivery, DeliveryKind, DeliveryStatus
from domain.jobs import Lease, Queue
from domain.refusals import CodeExpired, Refusal, UpstreamUnavailable
from tests.factories import a_chapter, a_session, a_story, an_account
from tests.fakes.clock import START, FakeClock
from tests.fakes.codes import FakeCodes
from tests.fakes.database import FakeDatabase, FakeJobDesk, FakeWork
from tests.fakes.mail import FakeLetters, FakeMailer, FakeTexts
from tests.jobs import KNOWN, claimed
from usecases.deliveries.owe import OweMail
from usecases.deliveries.send_delivery import SendDelivery
from usecases.ports.jobs import Retry
from usecases.ports.mail import MailFault
from usecases.ports.transactions import LeaseLost

ACCOUNT = an_account(email="mira@readers.test", display_name="Mira")
STORY = a_story(ACCOUNT.id, title="The Fox")
CHAPTERS = [a_chapter(STORY.id, 1, "One."), a_chapter(STORY.id, 2, "Two.")]
SESSION = a_session(ACCOUNT.id)
CHALLENGE = Challenge(
    id=uuid7(),
    purpose=CodePurpose.SIGN_UP,
    email=ACCOUNT.email,
    account_id=ACCOUNT.id,
    resend_at=START + timedelta(minutes=1),
    expires_at=START + timedelta(minutes=10),
)
PASSING = MailFault("RCPT TO: 451 4.3.0 not now", status="451 4.3.0")
NO_ANSWER = MailFault("introduction: connection refused")
AMBIGUOUS = MailFault("content: connection lost", ambiguous=True)
UNKNOWN_READER = MailFault("RCPT TO: 550 5.1.1 unknown", status="550 5.1.1", permanent=True)
TURNED_AWAY = MailFault("introduction: 535 5.7.8 no", status="535 5.7.8", alarming=True)
Owing = Callable[[FakeWork, OweMail], Awaitable[None]]


async def story(work: FakeWork, owe: OweMail) -> None:
    await owe.story_ready(work, STORY, ACCOUNT)


async def code(work: FakeWork, owe: OweMail) -> None:
    await owe.code(work, CHALLENGE, ACCOUNT)


RESET = CHALLENGE.model_copy(update={"purpose": CodePurpose.PASSWORD_RESET})
MOVE = CHALLENGE.model_copy(
    update={"purpose": CodePurpose.EMAIL_CHANGE, "email": "mira@elsewhere.test"}
)


async def reset_code(work: FakeWork, owe: OweMail) -> None:
    await _activated(work)
    await owe.code(work, RESET, ACCOUNT)


async def decoy(work: FakeWork, owe: OweMail) -> None:
    await owe.code(work, RESET.model_copy(update={"account_id": None}), None)


async def email_change_code(work: FakeWork, owe: OweMail) -> None:
    await _activated(work)
    await owe.code(work, MOVE, ACCOUNT)


async def wanted_address(work: FakeWork, owe: OweMail) -> None:
    await work.accounts.add(an_account(email=MOVE.email).activate(START))
    await email_change_code(work, owe)


async def _activated(work: FakeWork) -> None:
    account = await work.accounts.get(ACCOUNT.id)
    assert account is not None
    account.activate(START)


async def address_in_use(work: FakeWork, owe: OweMail) -> None:
    await owe.address_in_use(work, ACCOUNT)


async def session_revoked(work: FakeWork, owe: OweMail) -> None:
    await owe.session_revoked(work, ACCOUNT, SESSION)


class PostOffice:
    """A worker's surroundings: claims the one job there is and sends its mail."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.database = FakeDatabase(self.clock)
        self.desk = FakeJobDesk(self.database)
        self.codes, self.mailer = FakeCodes(self.clock), FakeMailer()
        self.texts = FakeTexts()
        self.send = SendDelivery(
            self.database, self.codes, FakeLetters(), self.mailer, self.texts, self.clock
        )

    async def owes(self, owing: Owing) -> None:
        async with self.database.begin() as work:
            await work.accounts.add(ACCOUNT)
            await work.stories.add(STORY)
            await work.sessions.add(SESSION)
            for chapter in CHAPTERS:
                await work.stories.add_chapter(chapter)
            await owing(work, OweMail(self.clock, "storyloom.test"))

    @property
    def status(self) -> str:
        return self.delivery.status.value

    @property
    def delivery(self) -> Delivery:
        [delivery] = self.database.tables.deliveries.values()
        return delivery

    async def lease(self) -> Lease:
        await self.desk.due(10, KNOWN)
        return (await claimed(self.desk, Queue.MAIL))[1]

    async def attempt(self) -> float | None:
        """Do what a worker does; return the seconds until the next attempt, if there is one."""
        lease = await self.lease()
        try:
            await self.send(self.delivery.id, lease)
        except Retry as retry:
            pause = retry.after or 0
            await self.desk.retry(lease, timedelta(seconds=pause), str(retry))
            return pause
        await self.desk.finish(lease)
        return None

    async def attempts(self) -> list[float]:
        """Attempt until there is no next time; return the pauses between the attempts."""
        pauses = []
        while (pause := await self.attempt()) is not None:
            pauses.append(pause)
            self.clock.advance(timedelta(seconds=pause))
        return pauses


@pytest.fixture
def office() -> PostOffice:
    return PostOffice()


@pytest.fixture
def log() -> Iterator[list[str]]:
    """Collect log lines, whole: message, level and bound fields."""
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), serialize=True, level=0)
    yield lines
    logger.remove(sink)


# --- what is sent ---------------------------------------------------------------------------------


async def test_a_story_is_sent_with_all_its_chapters(office: PostOffice) -> None:
    await office.owes(story)
    assert await office.attempt() is None

    [mail] = office.mailer.taken
    assert mail.text == "Mira: The Fox: One.\n\nTwo."
    assert mail.recipient == "mira@readers.test"
    assert mail.message_id == office.delivery.message_id
    assert office.status == "sent"
    assert office.delivery.sent_at == START
    assert office.delivery.attempts == 1


async def test_a_code_is_drawn_only_when_it_is_sent(office: PostOffice) -> None:
    await office.owes(code)
    office.clock.advance(timedelta(minutes=4, seconds=10))
    assert await office.attempt() is None

    assert [mail.text for mail in office.mailer.taken] == ["000001 for 6 min"]
    assert "000001" not in repr(office.database.tables)


async def test_a_code_answers_its_challenge_even_if_that_was_forgotten(
    office: PostOffice,
) -> None:
    await office.owes(code)
    office.codes.forget()
    await office.attempt()

    proven = await office.codes.redeem(CHALLENGE.id, CodePurpose.SIGN_UP, "000001")
    assert proven == CHALLENGE.model_copy(update={"resend_at": START})


@pytest.mark.parametrize(
    ("owing", "subject"),
    [(address_in_use, "address in use"), (session_revoked, "session revoked")],
)
async def test_a_notice_is_sent(office: PostOffice, owing: Owing, subject: str) -> None:
    await office.owes(owing)
    assert await office.attempt() is None

    assert [mail.subject for mail in office.mailer.taken] == [subject]


@pytest.mark.parametrize(
    ("owing", "recipient", "digits"),
    [(reset_code, ACCOUNT.email, 8), (email_change_code, MOVE.email, 6)],
)
async def test_other_codes_go_to_the_address_of_their_challenge(
    office: PostOffice, owing: Owing, recipient: str, digits: int
) -> None:
    await office.owes(owing)
    assert await office.attempt() is None

    [mail] = office.mailer.taken
    assert (mail.recipient, mail.text) == (recipient, f"{'1':0>{digits}} for 10 min")


async def test_the_owner_of_a_wanted_address_gets_a_notice_and_no_code(office: PostOffice) -> None:
    await office.owes(wanted_address)
    assert await office.attempt() is None

    [mail] = office.mailer.taken
    assert (mail.recipient, mail.subject) == (MOVE.email, "address wanted")
    assert office.codes.drawn == []


async def test_a_decoy_is_given_up_without_a_code(office: PostOffice) -> None:
    await office.owes(decoy)
    assert await office.attempt() is None

    assert (office.status, office.mailer.offered, office.codes.drawn) == ("failed", [], [])


@pytest.mark.parametrize("owing", [story, code, address_in_use, session_revoked])
async def test_running_twice_sends_once(office: PostOffice, owing: Owing) -> None:
    await office.owes(owing)
    lease = await office.lease()
    await office.send(office.delivery.id, lease)
    await office.send(office.delivery.id, lease)

    assert len(office.mailer.offered) == 1
    assert office.status == "sent"


# --- what is not sent any more --------------------------------------------------------------------


async def test_a_delivery_that_is_gone_is_nothing_to_do(office: PostOffice) -> None:
    await office.owes(story)
    await office.send(uuid7(), await office.lease())

    assert office.mailer.offered == []


@pytest.mark.parametrize("owing", [story, code])
async def test_an_expired_mail_is_not_sent(office: PostOffice, owing: Owing) -> None:
    await office.owes(owing)
    office.clock.advance(office.delivery.expires_at - START)
    assert await office.attempt() is None

    assert office.mailer.offered == []
    assert office.status == "failed"
    assert office.delivery.failed_at == office.clock.now()
    assert office.delivery.last_error == "expired before it was sent"


async def test_a_code_is_not_sent_to_an_address_that_was_proven_meanwhile(
    office: PostOffice,
) -> None:
    await office.owes(code)
    async with office.database.begin() as work:
        account = await work.accounts.get(ACCOUNT.id)
        assert account is not None
        account.activate(START)
    assert await office.attempt() is None

    assert office.mailer.offered == []
    assert office.codes.drawn == []
    assert office.status == "failed"
    assert office.delivery.last_error == "what it was about is gone or settled"


# --- faults ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [PASSING, NO_ANSWER, AMBIGUOUS, TURNED_AWAY])
async def test_a_story_is_sent_again_as_the_same_mail(office: PostOffice, fault: MailFault) -> None:
    await office.owes(story)
    office.mailer.faults = [fault]

    assert await office.attempt() == 5
    assert office.status == "queued"
    noted = f"ambiguous: {fault.detail}" if fault.ambiguous else fault.detail
    assert office.delivery.last_error == noted

    office.clock.advance(timedelta(seconds=5))
    assert await office.attempt() is None
    first, second = office.mailer.offered
    assert first == second
    assert office.status == "sent"
    assert office.delivery.attempts == 2
    assert office.delivery.last_error is None


async def test_a_story_is_tried_for_a_day(office: PostOffice) -> None:
    await office.owes(story)
    office.mailer.faults = [PASSING] * 100

    assert await office.attempts() == [5, 60, 5 * 60, 15 * 60] + [60 * 60] * 23
    assert office.status == "failed"
    assert office.delivery.last_error == "RCPT TO: 451 4.3.0 not now"
    assert timedelta(hours=23) < office.clock.now() - START < timedelta(hours=24)


async def test_a_code_is_tried_quickly_until_it_expires(office: PostOffice) -> None:
    await office.owes(code)
    office.mailer.faults = [NO_ANSWER] * 100

    assert await office.attempts() == [2, 5, 15] + [30] * 19
    assert office.status == "failed"
    assert office.clock.now() < CHALLENGE.expires_at


async def test_each_try_of_a_code_draws_another(office: PostOffice) -> None:
    await office.owes(code)
    office.mailer.faults = [PASSING]
    await office.attempts()

    assert [mail.text for mail in office.mailer.offered] == [
        "000001 for 10 min",
        "000002 for 10 min",
    ]
    assert [mail.text for mail in office.mailer.taken] == ["000002 for 10 min"]


@pytest.mark.parametrize("owing", [story, code, address_in_use])
async def test_a_final_no_is_recorded_with_its_status(office: PostOffice, owing: Owing) -> None:
    await office.owes(owing)
    office.mailer.faults = [UNKNOWN_READER]
    assert await office.attempt() is None

    assert len(office.mailer.offered) == 1
    assert office.status == "failed"
    assert office.delivery.failed_at == START
    assert office.delivery.last_error == "RCPT TO: 550 5.1.1 unknown"


async def test_a_code_that_may_have_arrived_is_not_sent_again(office: PostOffice) -> None:
    await office.owes(code)
    office.mailer.faults = [AMBIGUOUS]
    assert await office.attempt() is None

    assert len(office.mailer.offered) == 1
    assert office.status == "failed"
    assert office.delivery.last_error == "ambiguous: content: connection lost"


@pytest.mark.parametrize("refusal", [UpstreamUnavailable(), CodeExpired()])
async def test_no_code_is_sent_while_none_can_be_drawn(
    office: PostOffice, refusal: Refusal
) -> None:
    await office.owes(code)

    class Refusing(FakeCodes):
        async def issue(self, challenge: Challenge) -> str:
            assert challenge.id == CHALLENGE.id
            raise refusal

    able, office.send = office.send, replace(office.send, codes=Refusing(office.clock))
    assert await office.attempt() == 2
    assert office.status == "queued"

    office.send = able
    office.clock.advance(timedelta(seconds=2))
    assert await office.attempt() is None
    assert len(office.mailer.taken) == 1


# --- a worker that died ---------------------------------------------------------------------------


async def died_while_sending(office: PostOffice) -> None:
    """Leave the delivery as a worker does that is killed while it talks to the mail server."""
    lease = await office.lease()
    office.mailer.faults = [MailFault("killed")]
    with pytest.raises(Retry):
        await office.send(office.delivery.id, lease)
    async with office.database.begin() as work:
        delivery = await work.deliveries.get(office.delivery.id)
        assert delivery is not None
        delivery.status = DeliveryStatus.SENDING
    office.clock.advance(timedelta(seconds=30))


async def test_a_story_is_sent_again_after_its_worker_died(office: PostOffice) -> None:
    await office.owes(story)
    await died_while_sending(office)
    assert await office.attempt() is None

    assert all(one == other for one, other in pairwise(office.mailer.offered))
    assert len(office.mailer.taken) == 1
    assert office.status == "sent"


async def test_a_code_is_not_sent_again_after_its_worker_died(office: PostOffice) -> None:
    await office.owes(code)
    await died_while_sending(office)
    assert await office.attempt() is None

    assert office.mailer.taken == []
    assert office.status == "failed"
    assert office.delivery.last_error == "interrupted while it was sent: a code is not sent twice"


async def test_a_worker_without_the_lease_sends_nothing(office: PostOffice) -> None:
    await office.owes(story)
    lost = await office.lease()
    office.clock.advance(timedelta(seconds=30))
    await office.lease()

    with pytest.raises(LeaseLost):
        await office.send(office.delivery.id, lost)
    assert office.mailer.offered == []
    assert office.status == "queued"


async def test_sending_is_noted_before_the_first_byte_goes_out(office: PostOffice) -> None:
    await office.owes(story)
    seen: list[tuple[DeliveryStatus, int]] = []

    class Watching(FakeMailer):
        async def send(self, mail: object) -> None:
            assert mail
            seen.append((office.delivery.status, office.delivery.attempts))

    office.send = replace(office.send, mailer=Watching())
    await office.attempt()
    assert seen == [(DeliveryStatus.SENDING, 1)]


# --- logs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [None, PASSING, UNKNOWN_READER, AMBIGUOUS, TURNED_AWAY])
@pytest.mark.parametrize("owing", [story, code])
async def test_no_log_line_holds_address_code_or_story(
    office: PostOffice, log: list[str], owing: Owing, fault: MailFault | None
) -> None:
    await office.owes(owing)
    office.mailer.faults = [fault] if fault else []
    await office.attempts()

    assert log
    for secret in ("mira", "readers.test", "00000", "The Fox", "One."):
        assert not any(secret in line for line in log)


@pytest.mark.parametrize(("fault", "errors"), [(TURNED_AWAY, 1), (PASSING, 0), (UNKNOWN_READER, 0)])
async def test_only_what_the_operator_must_mend_is_an_error(
    office: PostOffice, log: list[str], fault: MailFault, errors: int
) -> None:
    await office.owes(story)
    office.mailer.faults = [fault]
    await office.attempts()

    assert sum('"name": "ERROR"' in line for line in log) == errors


def _told_twice(log: list[str]) -> list[object]:
    """Return what lines that tell of a second mail say of the first."""
    records = [json.loads(line)["record"] for line in log]
    return [one["extra"]["ambiguous"] for one in records if one["message"] == "Mail may come twice"]


@pytest.mark.parametrize(
    ("owing", "fault", "told"),
    [
        (story, AMBIGUOUS, [True]),
        (story, PASSING, []),
        (story, NO_ANSWER, []),
        (code, AMBIGUOUS, []),
    ],
)
async def test_a_mail_that_goes_out_again_though_it_may_have_arrived_is_told_of(
    office: PostOffice, log: list[str], owing: Owing, fault: MailFault, told: list[object]
) -> None:
    await office.owes(owing)
    office.mailer.faults = [fault]
    await office.attempts()
    assert _told_twice(log) == told


@pytest.mark.parametrize(("owing", "told"), [(story, [True]), (address_in_use, [True]), (code, [])])
async def test_a_mail_that_goes_out_again_after_its_worker_died_is_told_of(
    office: PostOffice, log: list[str], owing: Owing, told: list[object]
) -> None:
    await office.owes(owing)
    await died_while_sending(office)
    await office.attempt()
    assert _told_twice(log) == told


PHONE = CHALLENGE.model_copy(update={"purpose": CodePurpose.PHONE, "email": "+4915123456789"})


async def phone_code(work: FakeWork, owe: OweMail) -> None:
    await _activated(work)
    await owe.code(work, PHONE, ACCOUNT)


async def test_a_code_for_a_phone_goes_out_as_a_text_once_it_is_drawn() -> None:
    office = PostOffice()
    await office.owes(phone_code)
    await office.attempt()
    [text] = office.texts.taken
    assert (text.recipient, text.text) == ("+4915123456789", f"{office.codes.drawn[0]} for 10 min")
    assert office.mailer.offered == []
    assert office.delivery.status is DeliveryStatus.SENT


async def new_device(work: FakeWork, owe: OweMail) -> None:
    await owe.new_device(work, ACCOUNT, SESSION)


async def deletion(work: FakeWork, owe: OweMail) -> None:
    account = await work.accounts.get(ACCOUNT.id)
    assert account is not None
    account.leave(START, timedelta(days=14))
    await owe.notice(work, DeliveryKind.DELETION_REQUESTED, account)


async def deletion_that_was_canceled(work: FakeWork, owe: OweMail) -> None:
    await owe.notice(work, DeliveryKind.DELETION_REQUESTED, ACCOUNT)


@pytest.mark.parametrize(
    ("owing", "subject", "text"),
    [
        (new_device, "new device", f"{SESSION.user_agent} {SESSION.client_address}"),
        (deletion, "deletion requested", f"{START + timedelta(days=14)}"),
    ],
)
async def test_notices_tell_what_they_are_about(owing: Owing, subject: str, text: str) -> None:
    office = PostOffice()
    await office.owes(owing)
    await office.attempt()
    [mail] = office.mailer.taken
    assert (mail.subject, mail.text) == (subject, text)


async def test_nobody_is_told_of_a_deletion_that_was_canceled_meanwhile() -> None:
    office = PostOffice()
    await office.owes(deletion_that_was_canceled)
    await office.attempt()
    assert office.mailer.offered == []
    assert office.delivery.status is DeliveryStatus.FAILED
