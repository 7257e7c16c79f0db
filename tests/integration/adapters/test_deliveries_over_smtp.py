"""Owed mails on their way: real letters in a real SMTP conversation."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from adapters.letters import JinjaLetters
from adapters.smtp import SmtpMailer
from domain.codes import CodePurpose
from domain.jobs import Queue
from tests.factories import a_chapter, a_story, an_account
from tests.fakes.clock import FakeClock
from tests.fakes.codes import FakeCodes
from tests.fakes.database import FakeDatabase, FakeJobDesk
from tests.fakes.mail import FakeTexts
from tests.jobs import KNOWN
from tests.smtp_server import SmtpServer, Verb
from usecases.deliveries.owe import OweMail
from usecases.deliveries.send_delivery import SendDelivery, SendDeliveryTask
from usecases.ports.jobs import Retry

ACCOUNT = an_account(email="mira@readers.test")
STORY = a_story(ACCOUNT.id, title="The Fox", words=150, storyteller="offline")


class Post:
    """One worker, one mail server, and one account that is owed mails."""

    def __init__(self, server: SmtpServer) -> None:
        self.server, self.clock = server, FakeClock()
        self.database, self.codes = FakeDatabase(self.clock), FakeCodes(self.clock)
        self.owe = OweMail(self.clock, "storyloom.test")
        self._desk = FakeJobDesk(self.database)
        self._send = SendDelivery(
            self.database,
            self.codes,
            JinjaLetters("https://storyloom.test"),
            SmtpMailer(
                host="127.0.0.1",
                port=server.port,
                sender="Storyloom <stories@storyloom.test>",
                security="none",
                timeout=0.3,
            ),
            FakeTexts(),
            self.clock,
        )

    async def owes_a_story(self) -> None:
        async with self.database.begin() as work:
            await work.accounts.add(ACCOUNT)
            await work.stories.add(STORY)
            await work.stories.add_chapter(a_chapter(STORY.id, text="Once there was a fox."))
            await self.owe.story_ready(work, STORY, ACCOUNT)

    async def owes_a_code(self) -> None:
        challenge = await self.codes.open(CodePurpose.SIGN_UP, ACCOUNT.email, ACCOUNT.id)
        async with self.database.begin() as work:
            await work.accounts.add(ACCOUNT)
            await self.owe.code(work, challenge, ACCOUNT)

    async def deliver(self) -> str:
        """Attempt until there is no next time, and return how the delivery ended."""
        [delivery_id] = self.database.tables.deliveries
        while claimed := await self._desk.claim(Queue.MAIL, [SendDeliveryTask.terms]):
            try:
                await self._send(delivery_id, claimed[1])
            except Retry as retry:
                pause = timedelta(seconds=retry.after or 0)
                await self._desk.retry(claimed[1], pause, str(retry))
                self.clock.advance(pause)
                await self._desk.due(10, KNOWN)
            else:
                await self._desk.finish(claimed[1])
        return self.database.tables.deliveries[delivery_id].status.value


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    async with SmtpServer() as server:
        yield Post(server)


async def test_a_story_arrives(post: Post) -> None:
    await post.owes_a_story()

    assert await post.deliver() == "sent"
    [mail] = post.server.mails
    assert mail.recipients == ["mira@readers.test"]
    assert mail.subject == "The Fox"
    assert "Once there was a fox." in mail.text
    assert "Once there was a fox." in mail.html


async def test_a_code_arrives_and_is_right(post: Post) -> None:
    await post.owes_a_code()

    assert await post.deliver() == "sent"
    [mail] = post.server.mails
    [code] = re.findall(r"\b\d{6}\b", mail.text)
    assert code == post.codes.drawn[-1]


@pytest.mark.parametrize("verb", [verb for verb in Verb if verb not in {"STARTTLS", "AUTH"}])
async def test_a_story_arrives_once_whatever_the_server_answers_first(
    post: Post, verb: Verb
) -> None:
    post.server.answer(verb, "451 4.3.0 not now")
    await post.owes_a_story()

    assert await post.deliver() == "sent"
    assert len(post.server.mails) == 1


async def test_a_story_survives_a_server_that_is_down(post: Post) -> None:
    post.server.cut(Verb.CONNECT, times=3)
    await post.owes_a_story()

    assert await post.deliver() == "sent"
    assert len(post.server.mails) == 1


async def test_a_story_whose_receipt_was_lost_comes_again_as_the_same_mail(post: Post) -> None:
    post.server.cut(Verb.DOT)
    await post.owes_a_story()

    assert await post.deliver() == "sent"
    first, second = post.server.mails
    assert first.message_id == second.message_id
    assert first.text == second.text


async def test_a_code_whose_receipt_was_lost_does_not_come_again(post: Post) -> None:
    post.server.cut(Verb.DOT)
    await post.owes_a_code()

    assert await post.deliver() == "failed"
    assert len(post.server.mails) == 1


async def test_a_code_to_nobody_is_given_up_at_once(post: Post) -> None:
    post.server.answer(Verb.RCPT, "550 5.1.1 no such reader", times=2)
    await post.owes_a_code()

    assert await post.deliver() == "failed"
    assert post.server.verbs.count(Verb.CONNECT) == 1
    [delivery] = post.database.tables.deliveries.values()
    assert delivery.last_error == "RCPT TO: 550 5.1.1 no such reader"
