"""An authenticator app, from its first code to its last."""

from typing import Annotated

import strawberry

from schema.accounts.factors import APP_CODE, SecondFactorProofInput, TotpEnrollmentType
from schema.accounts.types import AccountType
from schema.context import Info
from schema.refusals import (
    AccountLockedType,
    CodeInvalidType,
    InvalidInputType,
    RateLimitedType,
    RecoveryCodeInvalidType,
    RefusalsAsData,
    SecondFactorInPlaceType,
    SecondFactorLockedType,
    SecondFactorMissingType,
    SecondFactorUnreadableType,
    TokenExpiredType,
    UnauthenticatedType,
    UpstreamUnavailableType,
    WrongCredentialsType,
)

ASKED_AGAIN = "The account's password, asked again."
SHOWN_ONCE = (
    "Ten codes that each stand in for the app once. They are shown now and never again: have them "
    "written down. Case, spaces, hyphens, and O for 0 or I for 1 make no difference when one is "
    "used."
)


@strawberry.input(name="BeginTotpEnrollmentInput", description="Who asks for it.")
class BeginTotpEnrollmentInput:
    """Input of `beginTotpEnrollment`."""

    password: str = strawberry.field(description=ASKED_AGAIN)


@strawberry.input(name="ConfirmTotpEnrollmentInput", description="The app's first code.")
class ConfirmTotpEnrollmentInput:
    """Input of `confirmTotpEnrollment`."""

    code: str = strawberry.field(description=APP_CODE)


@strawberry.input(name="DisableTotpInput", description="Who asks for it, with both factors.")
class DisableTotpInput:
    """Input of `disableTotp`."""

    password: str = strawberry.field(description=ASKED_AGAIN)
    proof: SecondFactorProofInput = strawberry.field(description="The second factor, once more.")


@strawberry.input(name="RenewRecoveryCodesInput", description="Who asks for it, with both factors.")
class RenewRecoveryCodesInput:
    """Input of `renewRecoveryCodes`."""

    password: str = strawberry.field(description=ASKED_AGAIN)
    code: str = strawberry.field(description=APP_CODE)


@strawberry.type(
    name="BeginTotpEnrollmentSuccess",
    description="A secret was drawn. Log-ins ask for it only once `confirmTotpEnrollment` has seen "
    "a first code, within 15 minutes.",
)
class BeginTotpEnrollmentSuccess:
    """Success of `beginTotpEnrollment`."""

    enrollment: TotpEnrollmentType = strawberry.field(description="For the app.")


@strawberry.type(
    name="ConfirmTotpEnrollmentSuccess",
    description="From now on, log-ins with the password ask for the app too. The owner is told by "
    "mail.",
)
class ConfirmTotpEnrollmentSuccess:
    """Success of `confirmTotpEnrollment`."""

    recovery_codes: list[str] = strawberry.field(description=SHOWN_ONCE)


@strawberry.type(
    name="DisableTotpSuccess",
    description="The password alone opens the account; the recovery codes are void. The owner is "
    "told by mail.",
)
class DisableTotpSuccess:
    """Success of `disableTotp`."""

    account: AccountType = strawberry.field(description="The account, without second factor.")


@strawberry.type(
    name="RenewRecoveryCodesSuccess",
    description="All codes of before are void. The owner is told by mail.",
)
class RenewRecoveryCodesSuccess:
    """Success of `renewRecoveryCodes`."""

    recovery_codes: list[str] = strawberry.field(description=SHOWN_ONCE)


BeginTotpEnrollmentPayload = Annotated[
    BeginTotpEnrollmentSuccess
    | SecondFactorInPlaceType
    | WrongCredentialsType
    | AccountLockedType
    | UnauthenticatedType
    | TokenExpiredType
    | RateLimitedType
    | UpstreamUnavailableType,
    strawberry.union(
        "BeginTotpEnrollmentPayload", description="What `beginTotpEnrollment` answers."
    ),
]

ConfirmTotpEnrollmentPayload = Annotated[
    ConfirmTotpEnrollmentSuccess
    | InvalidInputType
    | CodeInvalidType
    | SecondFactorLockedType
    | SecondFactorInPlaceType
    | SecondFactorMissingType
    | UnauthenticatedType
    | TokenExpiredType
    | RateLimitedType
    | UpstreamUnavailableType,
    strawberry.union(
        "ConfirmTotpEnrollmentPayload", description="What `confirmTotpEnrollment` answers."
    ),
]

DisableTotpPayload = Annotated[
    DisableTotpSuccess
    | InvalidInputType
    | WrongCredentialsType
    | AccountLockedType
    | CodeInvalidType
    | RecoveryCodeInvalidType
    | SecondFactorLockedType
    | SecondFactorMissingType
    | SecondFactorUnreadableType
    | UnauthenticatedType
    | TokenExpiredType
    | RateLimitedType
    | UpstreamUnavailableType,
    strawberry.union("DisableTotpPayload", description="What `disableTotp` answers."),
]

RenewRecoveryCodesPayload = Annotated[
    RenewRecoveryCodesSuccess
    | InvalidInputType
    | WrongCredentialsType
    | AccountLockedType
    | CodeInvalidType
    | SecondFactorLockedType
    | SecondFactorMissingType
    | SecondFactorUnreadableType
    | UnauthenticatedType
    | TokenExpiredType
    | RateLimitedType
    | UpstreamUnavailableType,
    strawberry.union("RenewRecoveryCodesPayload", description="What `renewRecoveryCodes` answers."),
]


@strawberry.type
class SecondFactorMutations:
    """The second factor, in the settings of an account."""

    @strawberry.mutation(
        description="Draw a secret for an authenticator app; one that was never confirmed is void.",
        extensions=[RefusalsAsData()],
        graphql_type=BeginTotpEnrollmentPayload,
    )
    async def begin_totp_enrollment(
        self,
        info: Info,
        input: Annotated[BeginTotpEnrollmentInput, strawberry.argument(description="Who asks.")],
    ) -> BeginTotpEnrollmentSuccess:
        """Answer with the secret."""
        secret = await info.context.use_cases.begin_totp_enrollment(
            info.context.viewer, password=input.password, device=info.context.client.device
        )
        return BeginTotpEnrollmentSuccess(enrollment=TotpEnrollmentType.tell(secret))

    @strawberry.mutation(
        description="Enable the second factor by a first code of the app, which shows that it has "
        "the secret. 5 wrong codes in 15 minutes.",
        extensions=[RefusalsAsData()],
        graphql_type=ConfirmTotpEnrollmentPayload,
    )
    async def confirm_totp_enrollment(
        self,
        info: Info,
        input: Annotated[ConfirmTotpEnrollmentInput, strawberry.argument(description="The code.")],
    ) -> ConfirmTotpEnrollmentSuccess:
        """Answer with the recovery codes."""
        codes = await info.context.use_cases.confirm_totp_enrollment(
            info.context.viewer, code=input.code, device=info.context.client.device
        )
        return ConfirmTotpEnrollmentSuccess(recovery_codes=codes)

    @strawberry.mutation(
        description="Stop using the authenticator app. Passkeys stay.",
        extensions=[RefusalsAsData()],
        graphql_type=DisableTotpPayload,
    )
    async def disable_totp(
        self,
        info: Info,
        input: Annotated[DisableTotpInput, strawberry.argument(description="Both factors.")],
    ) -> DisableTotpSuccess:
        """Answer with the account."""
        account = await info.context.use_cases.disable_totp(
            info.context.viewer,
            password=input.password,
            proof=input.proof.given(),
            device=info.context.client.device,
        )
        return DisableTotpSuccess(account=AccountType.tell(account))

    @strawberry.mutation(
        description="Get ten new recovery codes, with a code of the app.",
        extensions=[RefusalsAsData()],
        graphql_type=RenewRecoveryCodesPayload,
    )
    async def renew_recovery_codes(
        self,
        info: Info,
        input: Annotated[RenewRecoveryCodesInput, strawberry.argument(description="Both factors.")],
    ) -> RenewRecoveryCodesSuccess:
        """Answer with the recovery codes."""
        codes = await info.context.use_cases.renew_recovery_codes(
            info.context.viewer,
            password=input.password,
            code=input.code,
            device=info.context.client.device,
        )
        return RenewRecoveryCodesSuccess(recovery_codes=codes)
