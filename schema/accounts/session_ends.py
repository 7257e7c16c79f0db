"""Ending sessions from another one."""

from typing import Annotated

import strawberry

from schema import published
from schema.accounts.asked_again import ASKED_AGAIN, PasswordInput
from schema.accounts.sessions import SessionType, live_sessions
from schema.context import Info
from schema.nodes import SESSION, key_of
from schema.refusals import NotFoundType, PasswordRefusals, RefusalsAsData, ViewerRefusals


@published.as_input
class EndSessionInput:
    """Which session ends."""

    session_id: strawberry.ID = strawberry.field(description="The `id` of the session.")
    password: str = strawberry.field(description=ASKED_AGAIN)


@published.as_input
class EndOtherSessionsInput(PasswordInput):
    """Who asks for it."""


@published.as_input
class LogOutEverywhereInput(PasswordInput):
    """Who asks for it."""


ENDED = "How many sessions it ended: those that were over before are not counted."


@published.as_type
class EndSessionSuccess:
    """No token of the session works any more."""

    ended: int = strawberry.field(description=ENDED)
    sessions: list[SessionType] = strawberry.field(description="The sessions that are left.")


@published.as_type
class EndOtherSessionsSuccess:
    """No token of any other session works any more."""

    ended: int = strawberry.field(description=ENDED)
    sessions: list[SessionType] = strawberry.field(description="The session that is left.")


@published.as_type
class LogOutEverywhereSuccess:
    """No token of the account works any more."""

    ended: int = strawberry.field(description=ENDED)


EndSessionPayload = Annotated[
    EndSessionSuccess | NotFoundType | PasswordRefusals | ViewerRefusals,
    published.as_answer("endSession"),
]

EndOtherSessionsPayload = Annotated[
    EndOtherSessionsSuccess | PasswordRefusals | ViewerRefusals,
    published.as_answer("endOtherSessions"),
]

LogOutEverywherePayload = Annotated[
    LogOutEverywhereSuccess | PasswordRefusals | ViewerRefusals,
    published.as_answer("logOutEverywhere"),
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
