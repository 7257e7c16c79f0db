"""Proving again who one is, in the middle of a session."""

from typing import Annotated

import strawberry

from schema.accounts.factors import SecondFactorProofInput
from schema.accounts.sessions import SessionType, live_sessions
from schema.context import Info
from schema.refusals import (
    AccountLockedType,
    CodeInvalidType,
    InvalidInputType,
    RateLimitedType,
    RecoveryCodeInvalidType,
    RefusalsAsData,
    SecondFactorLockedType,
    SecondFactorMissingType,
    SecondFactorUnreadableType,
    TokenExpiredType,
    UnauthenticatedType,
    UpstreamUnavailableType,
    WrongCredentialsType,
)


@strawberry.input(name="ReauthenticateInput", description="What a log-in takes.")
class ReauthenticateInput:
    """Input of `reauthenticate`."""

    password: str = strawberry.field(description="The account's password, asked again.")
    proof: SecondFactorProofInput | None = strawberry.field(
        default=None,
        description="The second factor: needed where the account has one, and only there.",
    )


@strawberry.type(
    name="ReauthenticateSuccess",
    description="The session counts as just begun. Its tokens stay the same.",
)
class ReauthenticateSuccess:
    """Success of `reauthenticate`."""

    session: SessionType | None = strawberry.field(
        description="This session; null where it was ended meanwhile."
    )


ReauthenticatePayload = Annotated[
    ReauthenticateSuccess
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
    strawberry.union("ReauthenticatePayload", description="What `reauthenticate` answers."),
]


@strawberry.type
class ReauthenticationMutations:
    """What administration asks for when the log-in is long ago."""

    @strawberry.mutation(
        description="Prove again who is using this session, after `REAUTHENTICATION_REQUIRED`: "
        "with the password and, where the account has one, the second factor. Whoever has passkeys "
        "only at hand logs in anew.",
        extensions=[RefusalsAsData()],
        graphql_type=ReauthenticatePayload,
    )
    async def reauthenticate(
        self,
        info: Info,
        input: Annotated[ReauthenticateInput, strawberry.argument(description="The proof.")],
    ) -> ReauthenticateSuccess:
        """Answer with the session."""
        await info.context.use_cases.renew_authentication(
            info.context.viewer,
            password=input.password,
            proof=input.proof.given() if input.proof else None,
            device=info.context.client.device,
        )
        mine = [session for session in await live_sessions(info) if session.is_current]
        return ReauthenticateSuccess(session=mine[0] if mine else None)
