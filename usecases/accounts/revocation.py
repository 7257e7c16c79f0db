"""Ending sessions for good: in the truth first, then in every process."""

from collections.abc import Sequence
from dataclasses import dataclass

from loguru import logger

from domain.audit import Act
from domain.refusals import UpstreamUnavailable
from domain.sessions import Device, Session, SessionEnd
from usecases.accounts.announce_ends import AnnounceEndsTask
from usecases.ports.sessions import SessionEnds
from usecases.ports.time_and_chance import Clock
from usecases.ports.transactions import Database, Work


@dataclass(frozen=True, slots=True)
class Revocation:
    """Ends sessions in two steps, with the commit of the caller's transaction between them.

    With `end` their refresh tokens are void. With `announce` their access tokens fail and their
    sockets close, within moments: where that cannot be told at once, a job goes on telling it, so
    that what the caller has committed is never refused afterwards.
    """

    database: Database
    session_ends: SessionEnds
    clock: Clock

    async def end(
        self, work: Work, sessions: Sequence[Session], reason: SessionEnd, device: Device
    ) -> list[Session]:
        """End sessions that this transaction holds, and return those that were live.

        `device` is where it was asked for, for the audit trail.
        """
        now = self.clock.now()
        live = [session for session in sessions if session.is_live(now)]
        for session in live:
            session.end(now, reason)
            await work.audit.record(
                Act.SESSION_ENDED,
                session.account_id,
                session_id=session.id,
                device=device,
                detail={"reason": reason.value},
            )
        return live

    async def announce(self, ended: Sequence[Session]) -> None:
        """Tell every process, after the commit."""
        try:
            for session in ended:
                await self.session_ends.announce(session.id)
        except UpstreamUnavailable:
            logger.warning("Ends of sessions could not be announced: a job will do it")
            await self._promise(ended)

    async def _promise(self, ended: Sequence[Session]) -> None:
        task = AnnounceEndsTask(session_ids=tuple(session.id for session in ended))
        async with self.database.begin() as work:
            await work.jobs.add(task, account_id=ended[0].account_id)
