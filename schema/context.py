"""What a resolver can reach: made anew for every operation and every event of a subscription."""

from dataclasses import dataclass, field
from typing import Any

import strawberry

from domain.refusals import Refusal, Unauthenticated
from domain.sessions import AccessClaims, Device
from schema.cookies import Cookies
from schema.loaders import Loaders
from usecases.catalog import UseCases
from usecases.ports.reads import Reads


@dataclass(frozen=True, slots=True)
class Client:
    """Who is at the other end: the address as far as our proxies vouch for it, and the device."""

    address: str
    user_agent: str

    @property
    def device(self) -> Device:
        """The device as a use case knows it."""
        return Device(client_address=self.address, user_agent=self.user_agent)


@dataclass(slots=True)
class Context:
    """One operation's world.

    `claims` are those of a good access token; with a bad one they are None and `rejection` says
    why, so that operations open to everyone still run and the others answer with the reason.
    `resume_from` is the position of the last event that a subscriber saw on a connection before.
    """

    use_cases: UseCases
    reads: Reads
    client: Client
    request_id: str
    claims: AccessClaims | None = None
    rejection: Refusal | None = None
    cookies: Cookies = field(default_factory=Cookies)
    resume_from: str | None = None
    loaders: Loaders = field(init=False)

    def __post_init__(self) -> None:
        self.loaders = Loaders(self.reads, self.use_cases)

    @property
    def viewer(self) -> AccessClaims:
        """The signed-in account's claims. Raises TokenExpired or Unauthenticated."""
        if self.claims is None:
            raise self.rejection or Unauthenticated
        return self.claims

    def device(self, presented: str | None = None) -> Device:
        """Return the device with the token that it is known by: `presented`, or the cookie's."""
        token = presented or self.cookies.known_device
        return self.client.device.model_copy(update={"token": token and token[:128]})


Info = strawberry.Info[Context, Any]
