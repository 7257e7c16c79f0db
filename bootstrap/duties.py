"""The wiring of what only workers do.

It stands apart because a storyteller's libraries take a second to import, and the API needs none.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from adapters.letters.jinja import JinjaLetters
from adapters.smtp import SmtpMailer
from bootstrap.container import Container
from bootstrap.settings import Settings
from usecases.catalog import Duties
from usecases.deliveries.abandon_delivery import AbandonDelivery
from usecases.deliveries.send_delivery import SendDelivery
from usecases.ports import Storyteller
from usecases.stories.abandon_story import AbandonStory
from usecases.stories.announce_places import AnnouncePlaces
from usecases.stories.write_story import WriteStory


@asynccontextmanager
async def open_duties(container: Container) -> AsyncIterator[Duties]:
    """Wire the duties of a worker; the storyteller is closed at the end of the block."""
    settings, database, clock = container.settings, container.database, container.clock
    letters = JinjaLetters(settings.public_url)
    async with _storyteller(settings) as storyteller:
        yield Duties(
            write_story=WriteStory(
                database, storyteller, container.event_log, container.owe, clock
            ),
            abandon_story=AbandonStory(database, container.event_log, clock),
            announce_places=AnnouncePlaces(container.reads, container.event_log),
            send_delivery=SendDelivery(
                database, container.codes, letters, _mailer(settings), clock
            ),
            abandon_delivery=AbandonDelivery(database, clock),
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
