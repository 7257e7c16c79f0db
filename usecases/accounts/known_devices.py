"""Know a device again, and tell an account's owner of a new one."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from domain.accounts import Account
from domain.devices import DevicePolicy, KnownDevice
from domain.lockouts import Guess, network_of
from domain.sessions import Device, Session
from usecases.deliveries.owe import OweMail
from usecases.ports.sessions import DeviceTokens
from usecases.ports.time_and_chance import Clock
from usecases.ports.transactions import Work


@dataclass(frozen=True, slots=True)
class KnownDevices:
    """The devices of an account, each known by a token that it alone holds."""

    tokens: DeviceTokens
    owe: OweMail
    clock: Clock
    policy: DevicePolicy

    async def guess(self, work: Work, email: str, account_id: UUID | None, device: Device) -> Guess:
        """Return what an attempt from the device counts for: the device itself, if it is known.

        Without an account as much is looked up.
        """
        known = await self._known(work, account_id, device) if device.token else None
        return Guess(
            email=email,
            client_address=device.client_address,
            device=known.id if known else None,
        )

    async def welcome(self, work: Work, account: Account, session: Session, device: Device) -> str:
        """Note that a session begins on the device; return its token from now on.

        The account must be locked. A new device is told to the owner by mail, unless it is the
        first that the account is used from, or one of its network was told of a moment ago.
        """
        now = self.clock.now()
        known = await self._known(work, account.id, device) if device.token else None
        if known and device.token:
            known.last_used_at = now
            known.network, known.user_agent = _network(device), device.user_agent
            return device.token
        others = await work.devices.of_account(account.id)
        is_first = not others and not await work.sessions.has_others(account.id, but=session.id)
        token = self.tokens.draw()
        new = KnownDevice(
            account_id=account.id,
            digest=self.tokens.digest(token),
            user_agent=device.user_agent,
            network=_network(device),
            added_at=now,
            last_used_at=now,
        )
        if not is_first and not self._told_lately(others, new):
            new.noticed_at = now
            await self.owe.new_device(work, account, session)
        await work.devices.add(new)
        await self._forget(work, others)
        return token

    async def _known(
        self, work: Work, account_id: UUID | None, device: Device
    ) -> KnownDevice | None:
        found = await work.devices.with_digest(account_id, self.tokens.digest(device.token or ""))
        return found if found and found.is_fresh(self.clock.now(), self.policy) else None

    def _told_lately(self, others: Sequence[KnownDevice], new: KnownDevice) -> bool:
        return any(
            other.network == new.network
            and other.noticed_at is not None
            and new.added_at - other.noticed_at < self.policy.quiet
            for other in others
        )

    async def _forget(self, work: Work, others: Sequence[KnownDevice]) -> None:
        """Let go of those that were not used for long, and of the oldest where there are many."""
        newest_first = sorted(others, key=lambda other: other.last_used_at, reverse=True)
        now = self.clock.now()
        kept = [other for other in newest_first if other.is_fresh(now, self.policy)]
        kept_ids = {other.id for other in kept[: self.policy.most - 1]}
        doomed = [other.id for other in others if other.id not in kept_ids]
        if doomed:
            await work.devices.remove(doomed)


def _network(device: Device) -> str:
    return network_of(device.client_address)[:64]
