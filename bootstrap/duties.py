"""The wiring of what only workers do.

It stands apart because a storyteller's libraries take a second to import, and the API needs none.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from adapters.letters.jinja import JinjaLetters
from adapters.smtp import SmtpMailer
from adapters.texts import MailedTexts, WebhookTexts
from adapters.traces import RedisTraces
from bootstrap.container import Container
from bootstrap.secrets import key_bytes
from bootstrap.settings import Settings
from db.provider_slots import SqlProviderSlots
from usecases.accounts.announce_ends import AnnounceEnds
from usecases.accounts.erase_accounts import EraseAccounts
from usecases.accounts.revocation import Revocation
from usecases.catalog import Duties
from usecases.deliveries.abandon_delivery import AbandonDelivery
from usecases.deliveries.send_delivery import SendDelivery
from usecases.maintenance.sweep import Sweep
from usecases.ports.mail import TextMessages
from usecases.ports.storytelling import Storyteller
from usecases.stories.abandon_story import AbandonStory
from usecases.stories.announce_places import AnnouncePlaces
from usecases.stories.write_story import WriteStory


@asynccontextmanager
async def open_duties(container: Container) -> AsyncIterator[Duties]:
    """Wire the duties of a worker; the storyteller is closed at the end of the block."""
    settings, database, clock = container.settings, container.database, container.clock
    letters = JinjaLetters(settings.public_url)
    slots = SqlProviderSlots(
        container.engine,
        {settings.storyteller_name: settings.storyteller_concurrency},
        lease=timedelta(seconds=settings.job_lease_seconds),
    )
    async with _storyteller(settings) as storyteller, _texts(settings) as texts:
        yield Duties(
            write_story=WriteStory(
                database, storyteller, slots, container.event_log, container.owe, clock
            ),
            abandon_story=AbandonStory(database, container.event_log, clock),
            announce_places=AnnouncePlaces(container.reads, container.event_log),
            send_delivery=SendDelivery(
                database, container.codes, letters, _mailer(settings), texts, clock
            ),
            abandon_delivery=AbandonDelivery(database, clock),
            erase_accounts=EraseAccounts(
                database,
                Revocation(database, container.session_ends, clock),
                RedisTraces(container.redis, pepper=key_bytes(settings.code_pepper)),
                container.owe,
                clock,
            ),
            announce_ends=AnnounceEnds(container.session_ends),
            sweep=Sweep(database, clock, timedelta(days=settings.refresh_token_days)),
        )


@asynccontextmanager
async def _storyteller(settings: Settings) -> AsyncIterator[Storyteller]:
    """Open the storyteller that writes; the libraries of the other are not even imported."""
    if settings.storyteller_name == "offline":
        from adapters.offline.storyteller import OfflineStoryteller  # noqa: PLC0415

        yield OfflineStoryteller(settings.offline_words_per_minute)
        return

    from adapters.gemini.limits import GeminiLimits  # noqa: PLC0415
    from adapters.gemini.storyteller import GeminiStoryteller  # noqa: PLC0415

    gemini = GeminiStoryteller(
        settings.gemini_api_key.get_secret_value(),
        settings.gemini_model,
        base_url=settings.gemini_base_url,
        limits=GeminiLimits(
            max_output_tokens=settings.gemini_max_output_tokens,
            first_chunk_seconds=settings.gemini_first_chunk_seconds,
            chunk_seconds=settings.gemini_chunk_seconds,
            total_seconds=settings.gemini_total_seconds,
            attempts=settings.gemini_attempts,
        ),
    )
    try:
        yield gemini
    finally:
        await gemini.aclose()


@asynccontextmanager
async def _texts(settings: Settings) -> AsyncIterator[TextMessages]:
    """Open the way that text messages take: the gateway, or the mail catcher without one."""
    if not settings.sms_webhook_url:
        yield MailedTexts(_mailer(settings))
        return
    texts = WebhookTexts(settings.sms_webhook_url, secret=key_bytes(settings.sms_webhook_secret))
    try:
        yield texts
    finally:
        await texts.aclose()


def _mailer(settings: Settings) -> SmtpMailer:
    return SmtpMailer(
        host=settings.smtp_host,
        port=settings.smtp_port,
        sender=settings.mail_from,
        username=settings.smtp_username,
        password=settings.smtp_password.get_secret_value(),
        security=settings.smtp_security,
        timeout=settings.smtp_timeout_seconds,
    )
