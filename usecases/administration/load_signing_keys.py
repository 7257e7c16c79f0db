"""Learn the keys of the access tokens."""

from dataclasses import dataclass

from loguru import logger

from domain.audit import Act
from domain.signing_keys import SigningKey, signer
from usecases.ports.secrets import Locksmith
from usecases.ports.time_and_chance import Clock
from usecases.ports.transactions import Database, Work


@dataclass(frozen=True, slots=True)
class LoadSigningKeys:
    """Returns the keys that verify. Makes the first one, and drops those that are over.

    Keys that this process cannot open are none to it: they were sealed under another secret.
    """

    database: Database
    locksmith: Locksmith
    clock: Clock

    async def __call__(self) -> list[SigningKey]:
        """Return them, oldest first; at least one of them signs."""
        async with self.database.begin() as work:
            kept = await work.signing_keys.all()
        known = self._good(kept)
        if signer(known, self.clock.now()) and all(key.verifies(self.clock.now()) for key in kept):
            return known
        async with self.database.begin() as work:
            return await self._put_in_order(work)

    async def _put_in_order(self, work: Work) -> list[SigningKey]:
        """Work under a lock: processes that start at once get the same first key."""
        kept, now = await work.signing_keys.lock(), self.clock.now()
        for key in kept:
            if not key.verifies(now):
                await work.signing_keys.remove(key)
                logger.bind(kid=key.kid).info("A signing key is over and was dropped")
        known = self._good(kept)
        if signer(known, now) is None:
            first = self.locksmith.make(created_at=now, signs_from=now)
            known.append(await work.signing_keys.add(first))
            await work.audit.record(
                Act.SIGNING_KEYS_ROTATED, None, detail={"kid": first.kid, "reason": "none signed"}
            )
            logger.bind(kid=first.kid).info("A signing key was made, as there was none")
        return known

    def _good(self, keys: list[SigningKey]) -> list[SigningKey]:
        now = self.clock.now()
        return [key for key in keys if key.verifies(now) and self.locksmith.opens(key)]
