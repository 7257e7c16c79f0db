"""Give an account new recovery codes."""

from dataclasses import dataclass
from uuid import UUID

from domain.second_factors import RECOVERY_CODES, RecoveryCode
from usecases.ports.factors import RecoveryCodes
from usecases.ports.time_and_chance import Clock
from usecases.ports.transactions import Work


@dataclass(frozen=True, slots=True)
class DrawRecoveryCodes:
    """Replaces the recovery codes in the caller's transaction; only their digests are kept."""

    recovery_codes: RecoveryCodes
    clock: Clock

    async def __call__(self, work: Work, account_id: UUID) -> list[str]:
        """Return the codes: it is the only time that anybody sees them."""
        now = self.clock.now()
        codes = [self.recovery_codes.draw() for _ in range(RECOVERY_CODES)]
        await work.factors.replace_recovery_codes(
            account_id,
            [
                RecoveryCode(
                    account_id=account_id,
                    digest=self.recovery_codes.digest(account_id, code),
                    created_at=now,
                )
                for code in codes
            ],
        )
        return codes
