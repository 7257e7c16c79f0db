"""An authenticator app, from its first code to its last."""

from typing import Annotated

import strawberry

from schema import published
from schema.accounts.asked_again import PasswordInput
from schema.accounts.factors import APP_CODE, SecondFactorProof, TotpEnrollmentType
from schema.accounts.types import AccountType
from schema.context import Info
from schema.refusals import (
    CodeInvalidType,
    InvalidInputType,
    PasswordRefusals,
    ProofRefusals,
    RefusalsAsData,
    SecondFactorInPlaceType,
    SecondFactorLockedType,
    SecondFactorMissingType,
    SecondFactorUnreadableType,
    ViewerRefusals,
)

SHOWN_ONCE = (
    "Ten codes that each stand in for the app once. They are shown now and never again: have them "
    "written down. Case, spaces, hyphens, and O for 0 or I for 1 make no difference when one is "
    "used."
)


@published.as_input
class BeginTotpEnrollmentInput(PasswordInput):
    """Who asks for it."""


@published.as_input
class ConfirmTotpEnrollmentInput:
    """The app's first code."""

    code: str = strawberry.field(description=APP_CODE)


@published.as_input
class DisableTotpInput(PasswordInput):
    """Who asks for it, with both factors."""

    proof: SecondFactorProof = strawberry.field(description="The second factor, once more.")


@published.as_input
class RenewRecoveryCodesInput(PasswordInput):
    """Who asks for it, with both factors."""

    code: str = strawberry.field(description=APP_CODE)


@published.as_type
class BeginTotpEnrollmentSuccess:
    """A secret was drawn.

    Log-ins ask for it only once `confirmTotpEnrollment` has seen a first code, within 15 minutes.
    """

    enrollment: TotpEnrollmentType = strawberry.field(description="For the app.")


@published.as_type
class ConfirmTotpEnrollmentSuccess:
    """From now on, log-ins with the password ask for the app too.

    The owner is told by mail.
    """

    recovery_codes: list[str] = strawberry.field(description=SHOWN_ONCE)


@published.as_type
class DisableTotpSuccess:
    """The password alone opens the account; the recovery codes are void.

    The owner is told by mail.
    """

    account: AccountType = strawberry.field(description="The account, without second factor.")


@published.as_type
class RenewRecoveryCodesSuccess:
    """All codes of before are void.

    The owner is told by mail.
    """

    recovery_codes: list[str] = strawberry.field(description=SHOWN_ONCE)


BeginTotpEnrollmentPayload = Annotated[
    BeginTotpEnrollmentSuccess | SecondFactorInPlaceType | PasswordRefusals | ViewerRefusals,
    published.as_answer("beginTotpEnrollment"),
]

ConfirmTotpEnrollmentPayload = Annotated[
    ConfirmTotpEnrollmentSuccess
    | InvalidInputType
    | CodeInvalidType
    | SecondFactorLockedType
    | SecondFactorInPlaceType
    | SecondFactorMissingType
    | ViewerRefusals,
    published.as_answer("confirmTotpEnrollment"),
]

DisableTotpPayload = Annotated[
    DisableTotpSuccess | InvalidInputType | PasswordRefusals | ProofRefusals | ViewerRefusals,
    published.as_answer("disableTotp"),
]

RenewRecoveryCodesPayload = Annotated[
    RenewRecoveryCodesSuccess
    | InvalidInputType
    | PasswordRefusals
    | CodeInvalidType
    | SecondFactorLockedType
    | SecondFactorMissingType
    | SecondFactorUnreadableType
    | ViewerRefusals,
    published.as_answer("renewRecoveryCodes"),
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
