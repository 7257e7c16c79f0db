"""Carry a session on."""

from dataclasses import dataclass
from datetime import datetime

from loguru import logger

from domain.audit import Act
from domain.refusals import RefreshRaced, RefreshRejected, RefreshReused, UpstreamUnavailable
from domain.sessions import Device, RefreshToken, Session, SessionEnd, TokenPair
from usecases.accounts.token_pairs import TokenPairs
from usecases.deliveries.owe import OweMail
from usecases.ports.secrets import RefreshTokens as RefreshTokenFormat
from usecases.ports.sessions import SessionEnds
from usecases.ports.time_and_chance import Clock
from usecases.ports.transactions import Database, Work


@dataclass(frozen=True, slots=True)
class RefreshTokens:
    """Takes a refresh token and gives its successor: each is used once (RFC 9700 4.14).

    Everything happens under a lock on the session, which log-out takes too. A token that is used
    again shortly after, while its successor has not been used, gets that same successor: the answer
    was lost, or two tabs asked at once. Any other second use means that somebody else holds the
    token, and ends the session.
    """

    database: Database
    refresh_tokens: RefreshTokenFormat
    token_pairs: TokenPairs
    session_ends: SessionEnds
    owe: OweMail
    clock: Clock

    async def __call__(self, token: str, device: Device | None = None) -> TokenPair:
        """Return the new tokens.

        Raises RefreshRejected, RefreshReused or RefreshRaced.
        """
        async with self.database.begin() as work:
            answer = await self._answer(work, token)
            if isinstance(answer, Session):
                await work.audit.record(
                    Act.REFRESH_REUSED, answer.account_id, session_id=answer.id, device=device
                )
        if isinstance(answer, TokenPair):
            return answer
        # The session's end is committed by now: the refusal cannot roll it back.
        await self._tell(answer)
        raise RefreshReused

    async def _answer(self, work: Work, token: str) -> TokenPair | Session:
        """Return the next pair, or the session that a reused token has ended."""
        digest = self.refresh_tokens.digest(token)
        known = await work.sessions.token_with_digest(digest)
        session = await work.sessions.lock(known.session_id) if known else None
        # Read again: until the lock was ours, another request may have used the token.
        link = await work.sessions.token_with_digest(digest)
        now = self.clock.now()
        if not (session and link and session.is_live(now) and now < link.expires_at):
            raise RefreshRejected
        if link.used_at is None:
            return await self._rotate(work, session, link, token, now)
        return await self._again(work, session, link, token, now) or await self._end(
            work, session, now
        )

    async def _rotate(
        self, work: Work, session: Session, link: RefreshToken, token: str, now: datetime
    ) -> TokenPair:
        successor, next_link = self.token_pairs.next_link(session, now)
        await work.sessions.add_token(next_link)
        link.used_at, link.successor_id = now, next_link.id
        link.sealed_successor = self.refresh_tokens.seal(successor, under=token)
        session.last_used_at = now
        return await self.token_pairs.pair(session, successor, next_link, now)

    async def _again(
        self, work: Work, session: Session, link: RefreshToken, token: str, now: datetime
    ) -> TokenPair | None:
        """Return the successor that was given before, or None where this is no mere repetition."""
        child = await work.sessions.token(link.successor_id) if link.successor_id else None
        grace_is_over = not link.used_at or now - link.used_at > self.token_pairs.policy.reuse_grace
        if grace_is_over or child is None or child.used_at is not None:
            return None
        if link.sealed_successor is None:
            raise RefreshRaced
        successor = self.refresh_tokens.unseal(link.sealed_successor, under=token)
        return await self.token_pairs.pair(session, successor, child, now)

    async def _end(self, work: Work, session: Session, now: datetime) -> Session:
        session.end(now, SessionEnd.REFRESH_REUSED)
        account = await work.accounts.get(session.account_id)
        if account:
            await self.owe.session_revoked(work, account, session)
        return session

    async def _tell(self, session: Session) -> None:
        log = logger.bind(user_id=str(session.account_id), session_id=str(session.id))
        log.warning("A refresh token was used twice: its session is ended")
        try:
            await self.session_ends.announce(session.id)
        except UpstreamUnavailable:
            log.warning("The end of a session could not be announced")
