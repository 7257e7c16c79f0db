"""Call a passkey something else."""

from dataclasses import dataclass
from uuid import UUID

from domain.audit import Act
from domain.passkeys import Passkey
from domain.refusals import NotFound
from domain.sessions import AccessClaims, Device
from usecases.accounts.passkey_names import checked_name
from usecases.ports.transactions import Database


@dataclass(frozen=True, slots=True)
class RenamePasskey:
    """Changes what the owner of a passkey knows it by, and nothing else."""

    database: Database

    async def __call__(
        self, claims: AccessClaims, passkey_id: UUID, *, name: str, device: Device
    ) -> Passkey:
        """Return the passkey. Raises InvalidInput or NotFound."""
        name = checked_name(name)
        async with self.database.begin() as work:
            # Held, since a log-in with it writes the same row.
            await work.accounts.lock(claims.account_id)
            passkey = await work.passkeys.get(passkey_id)
            if passkey is None or passkey.account_id != claims.account_id:
                raise NotFound(path=("input", "passkeyId"))
            if passkey.name != name:
                passkey.name = name
                await work.audit.record(
                    Act.PASSKEY_RENAMED,
                    claims.account_id,
                    session_id=claims.session_id,
                    device=device,
                )
        return passkey
