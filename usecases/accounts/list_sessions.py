"""Show an account where it is logged in."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from domain.sessions import AccessClaims, Session
from usecases.ports.reads import Reads
from usecases.ports.sessions import DeviceNames, Places
from usecases.ports.time_and_chance import Clock


@dataclass(frozen=True, slots=True)
class SeenSession:
    """A live session, as its owner may recognise it. `ends_at` is for one that stays unused."""

    session: Session
    device: str
    place: str
    ends_at: datetime
    is_current: bool


@dataclass(frozen=True, slots=True)
class ListSessions:
    """Tells the live sessions of an account; `idle` is how long one may stay unused."""

    reads: Reads
    device_names: DeviceNames
    places: Places
    idle: timedelta
    clock: Clock

    async def __call__(self, claims: AccessClaims) -> list[SeenSession]:
        """Return those of the caller's account, the newest used first."""
        return await self.of(claims.account_id, current=claims.session_id)

    async def of(self, account_id: UUID, *, current: UUID) -> list[SeenSession]:
        """Return an account's, the newest used first, of which `current` may be one."""
        now = self.clock.now()
        return [
            SeenSession(
                session=session,
                device=self.device_names.name(session.user_agent),
                place=self.places.near(session.client_address),
                ends_at=session.ends_at(self.idle),
                is_current=session.id == current,
            )
            for session in await self.reads.sessions_of(account_id)
            if now < session.ends_at(self.idle)
        ]
