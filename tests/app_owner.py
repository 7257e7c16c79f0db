"""Somebody whose account has a second factor, and the app in their hand."""

from dataclasses import dataclass
from datetime import timedelta

from pyotp import TOTP

from bootstrap.second_factors import FactorUseCases
from domain.sessions import AccessClaims
from tests.fakes.accounts import DEVICE, PASSWORD
from tests.fakes.clock import FakeClock

STEP = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class AppOwner:
    """What they hold: an access token, the app, and the paper with the recovery codes."""

    claims: AccessClaims
    app: TOTP
    recovery_codes: list[str]
    clock: FakeClock

    def code(self, steps: int = 0) -> str:
        """Return what the app shows now, or so many steps later."""
        return self.app.at(self.clock.now(), counter_offset=steps)

    def wrong(self) -> str:
        """Return a code that is right at no step around now."""
        near = {self.code(steps) for steps in (-1, 0, 1)}
        return next(code for code in map("{:06d}".format, range(4)) if code not in near)


async def with_app(use_cases: FactorUseCases, claims: AccessClaims, clock: FakeClock) -> AppOwner:
    """Enrol an app; the next step begins, so that its code was not used yet."""
    secret = await use_cases["begin_totp_enrollment"](claims, password=PASSWORD, device=DEVICE)
    app = TOTP(secret.secret)
    codes = await use_cases["confirm_totp_enrollment"](
        claims, code=app.at(clock.now()), device=DEVICE
    )
    clock.advance(STEP)
    return AppOwner(claims, app, codes, clock)
