"""Proving again who one is, in the middle of a session."""

from typing import Annotated

import strawberry

from schema import published
from schema.accounts.asked_again import PasswordInput
from schema.accounts.factors import SecondFactorProof
from schema.accounts.sessions import SessionType, live_sessions
from schema.context import Info
from schema.refusals import (
    InvalidInputType,
    PasswordRefusals,
    ProofRefusals,
    RefusalsAsData,
    ViewerRefusals,
)


@published.as_input
class ReauthenticateInput(PasswordInput):
    """What a log-in takes."""

    proof: SecondFactorProof | None = strawberry.field(
        default=None,
        description="The second factor: needed where the account has one, and only there.",
    )


@published.as_type
class ReauthenticateSuccess:
    """The session counts as just begun.

    Its tokens stay the same.
    """

    session: SessionType | None = strawberry.field(
        description="This session; null where it was ended meanwhile."
    )


ReauthenticatePayload = Annotated[
    ReauthenticateSuccess | InvalidInputType | PasswordRefusals | ProofRefusals | ViewerRefusals,
    published.as_answer("reauthenticate"),
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
