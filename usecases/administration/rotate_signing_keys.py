"""Change the key of the access tokens."""

from dataclasses import dataclass

from loguru import logger

from domain.audit import Act
from domain.signing_keys import KeyPolicy, SigningKey
from usecases.ports.secrets import Locksmith
from usecases.ports.time_and_chance import Clock
from usecases.ports.transactions import Database


@dataclass(frozen=True, slots=True)
class RotateSigningKeys:
    """Publishes a new key, which signs once everybody knows it; the old one verifies on.

    No token that is good is refused meanwhile, unless the old keys are given up as compromised:
    then they are dropped at once, and clients need a new token.
    """

    database: Database
    locksmith: Locksmith
    clock: Clock
    policy: KeyPolicy

    async def __call__(self, *, compromised: bool = False) -> SigningKey:
        """Return the new key."""
        async with self.database.begin() as work:
            kept, now = await work.signing_keys.lock(), self.clock.now()
            has_time = kept and not compromised
            new = self.locksmith.make(
                created_at=now, signs_from=now + self.policy.propagation if has_time else now
            )
            for key in kept:
                if compromised or not key.verifies(now):
                    await work.signing_keys.remove(key)
                else:
                    key.give_way(new)
            added = await work.signing_keys.add(new)
            await work.audit.record(
                Act.SIGNING_KEYS_ROTATED,
                None,
                detail={"kid": new.kid, "reason": "compromised" if compromised else "rotation"},
            )
        logger.bind(kid=new.kid, signs_from=new.signs_from.isoformat()).info(
            "The signing key is rotated"
        )
        return added
