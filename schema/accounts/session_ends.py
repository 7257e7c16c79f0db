"""Ending sessions from another one."""

from typing import Annotated

import strawberry

from schema.accounts.sessions import SessionType, live_sessions
from schema.context import Info
from schema.nodes import SESSION, key_of
from schema.refusals import (
    AccountLockedType,
    NotFoundType,
    RateLimitedType,
    RefusalsAsData,
    TokenExpiredType,
    UnauthenticatedType,
    UpstreamUnavailableType,
    WrongCredentialsType,
)

ASKED_AGAIN = "The account's password, asked again."


@strawberry.input(name="EndSessionInput", description="Which session ends.")
class EndSessionInput:
    """Input of `endSession`."""

    session_id: strawberry.ID = strawberry.field(description="The `id` of the session.")
    password: str = strawberry.field(description=ASKED_AGAIN)


@strawberry.input(name="EndOtherSessionsInput", description="Who asks for it.")
class EndOtherSessionsInput:
    """Input of `endOtherSessions`."""

    password: str = strawberry.field(description=ASKED_AGAIN)


@strawberry.input(name="LogOutEverywhereInput", description="Who asks for it.")
class LogOutEverywhereInput:
    """Input of `logOutEverywhere`."""

    password: str = strawberry.field(description=ASKED_AGAIN)


ENDED = "How many sessions it ended: those that were over before are not counted."


@strawberry.type(name="EndSessionSuccess", description="No token of the session works any more.")
class EndSessionSuccess:
    """Success of `endSession`."""

    ended: int = strawberry.field(description=ENDED)
    sessions: list[SessionType] = strawberry.field(description="The sessions that are left.")


@strawberry.type(
    name="EndOtherSessionsSuccess", description="No token of any other session works any more."
)
class EndOtherSessionsSuccess:
    """Success of `endOtherSessions`."""

    ended: int = strawberry.field(description=ENDED)
    sessions: list[SessionType] = strawberry.field(description="The session that is left.")


@strawberry.type(
    name="LogOutEverywhereSuccess", description="No token of the account works any more."
)
class LogOutEverywhereSuccess:
    """Success of `logOutEverywhere`."""

    ended: int = strawberry.field(description=ENDED)


EndSessionPayload = Annotated[
    EndSessionSuccess
    | NotFoundType
    | WrongCredentialsType
    | AccountLockedType
    | UnauthenticatedType
    | TokenExpiredType
    | RateLimitedType
    | UpstreamUnavailableType,
    strawberry.union("EndSessionPayload", description="What `endSession` answers."),
]

EndOtherSessionsPayload = Annotated[
    EndOtherSessionsSuccess
    | WrongCredentialsType
    | AccountLockedType
    | UnauthenticatedType
    | TokenExpiredType
    | RateLimitedType
    | UpstreamUnavailableType,
    strawberry.union("EndOtherSessionsPayload", description="What `endOtherSessions` answers."),
]

LogOutEverywherePayload = Annotated[
    LogOutEverywhereSuccess
    | WrongCredentialsType
    | AccountLockedType
    | UnauthenticatedType
    | TokenExpiredType
    | RateLimitedType
    | UpstreamUnavailableType,
    strawberry.union("LogOutEverywherePayload", description="What `logOutEverywhere` answers."),
]


@strawberry.type
class SessionMutations:
    """Lost devices, and second thoughts."""

    @strawberry.mutation(
        description="End one of the viewer's sessions. Its tokens fail and its sockets close with "
        "4403 within seconds.",
        extensions=[RefusalsAsData()],
        graphql_type=EndSessionPayload,
    )
    async def end_session(
        self,
        info: Info,
        input: Annotated[EndSessionInput, strawberry.argument(description="Which session ends.")],
    ) -> EndSessionSuccess:
        """Answer with the sessions that are left."""
        viewer, client = info.context.viewer, info.context.client
        ended = await info.context.use_cases.end_session(
            viewer,
            key_of(SESSION, input.session_id, path=("input", "sessionId")),
            input.password,
            client.device,
        )
        left = await live_sessions(info)
        if not any(session.is_current for session in left):
            info.context.cookies.clear()
        return EndSessionSuccess(ended=ended, sessions=left)

    @strawberry.mutation(
        description="End all of the viewer's sessions but this one. Their tokens fail and their "
        "sockets close with 4403 within seconds.",
        extensions=[RefusalsAsData()],
        graphql_type=EndOtherSessionsPayload,
    )
    async def end_other_sessions(
        self,
        info: Info,
        input: Annotated[EndOtherSessionsInput, strawberry.argument(description="Who asks.")],
    ) -> EndOtherSessionsSuccess:
        """Answer with the session that is left."""
        ended = await info.context.use_cases.end_other_sessions(
            info.context.viewer, input.password, info.context.client.device
        )
        return EndOtherSessionsSuccess(ended=ended, sessions=await live_sessions(info))

    @strawberry.mutation(
        description="End all of the viewer's sessions, this one too. Their tokens fail and their "
        "sockets close with 4403 within seconds.",
        extensions=[RefusalsAsData()],
        graphql_type=LogOutEverywherePayload,
    )
    async def log_out_everywhere(
        self,
        info: Info,
        input: Annotated[LogOutEverywhereInput, strawberry.argument(description="Who asks.")],
    ) -> LogOutEverywhereSuccess:
        """Answer how many there were."""
        ended = await info.context.use_cases.log_out_everywhere(
            info.context.viewer, input.password, info.context.client.device
        )
        info.context.cookies.clear()
        return LogOutEverywhereSuccess(ended=ended)
