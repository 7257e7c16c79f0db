"""Begin to log in with a passkey."""

from collections.abc import Mapping
from dataclasses import dataclass

from usecases.ports.factors import PasskeyCeremonies, PasskeyChallenges


@dataclass(frozen=True, slots=True)
class BeginPasskeyLogIn:
    """Asks for a signature of whichever passkey the person chooses.

    Nobody says who they are, so there is nothing to find out by asking.
    """

    challenges: PasskeyChallenges
    ceremonies: PasskeyCeremonies

    async def __call__(self) -> Mapping[str, object]:
        """Return a PublicKeyCredentialRequestOptionsJSON. Raises UpstreamUnavailable."""
        return self.ceremonies.request_options(await self.challenges.open(None))
