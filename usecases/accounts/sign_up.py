"""Claim an address."""

from collections.abc import Sequence
from dataclasses import dataclass

from loguru import logger

from domain.accounts import Account, DisplayName, Interests
from domain.audit import Act
from domain.codes import Challenge, CodePurpose
from domain.entity import Value
from domain.sessions import Device
from usecases.accounts.addresses import Address
from usecases.accounts.password_rules import PasswordRules
from usecases.deliveries.owe import OweMail
from usecases.ports.secrets import Codes, Passwords
from usecases.ports.time_and_chance import Clock
from usecases.ports.transactions import Database
from usecases.validation import checked


class Profile(Value):
    """What somebody says of themselves at sign-up."""

    email: Address
    display_name: DisplayName
    interests: Interests


@dataclass(frozen=True, slots=True)
class SignUp:
    """Makes a pending account and owes it a code.

    Nobody learns whether an address has an account: for one that has, the challenge is a decoy, as
    much work is done, and its owner is told by mail.
    """

    database: Database
    codes: Codes
    passwords: Passwords
    password_rules: PasswordRules
    owe: OweMail
    clock: Clock

    async def __call__(
        self,
        *,
        email: str,
        password: str,
        display_name: str,
        interests: Sequence[str] = (),
        device: Device | None = None,
    ) -> Challenge:
        """Return the challenge to answer. Raises InvalidInput, RateLimited, UpstreamUnavailable."""
        profile = checked(
            Profile,
            {"email": email, "display_name": display_name, "interests": list(interests)},
            also=self.password_rules.issues(password, email=email, name=display_name),
        )
        async with self.database.begin() as work:
            owner = await work.accounts.active_with_email(profile.email)
        account = Account(
            **profile.model_dump(),
            password_hash=await self.passwords.hash(password),
            created_at=self.clock.now(),
        )
        challenge = await self.codes.open(
            CodePurpose.SIGN_UP, profile.email, None if owner else account.id
        )
        async with self.database.begin() as work:
            await work.accounts.add(account)
            if owner:
                # Stored only to take as long: an address that is owned cannot be claimed.
                await work.accounts.remove_pending_with_email(owner.email, but=owner.id)
                await self.owe.address_in_use(work, owner)
            else:
                await self.owe.code(work, challenge, account)
            # An owner reads in their log that somebody tried, and from where.
            await work.audit.record(Act.SIGNED_UP, owner.id if owner else account.id, device=device)
        logger.bind(challenge_id=str(challenge.id)).info("Sign-up asked for")
        return challenge
