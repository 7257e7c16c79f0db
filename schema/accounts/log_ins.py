"""Log-ins that take more than a password, or none."""

from typing import Annotated

import strawberry

from schema import published
from schema.accounts.delivery import TokenDelivery, check_delivery, hand_over, hand_over_device
from schema.accounts.factors import SecondFactorProof
from schema.accounts.payloads import LogInSuccess
from schema.accounts.types import AccountType
from schema.context import Info
from schema.cookies import Cookies
from schema.refusals import (
    AccountSuspendedType,
    CodeInvalidType,
    ForeignOriginType,
    InvalidInputType,
    LogInTicketRejectedType,
    PasskeyRejectedType,
    RecoveryCodeInvalidType,
    RefusalsAsData,
    SecondFactorLockedType,
    SecondFactorUnreadableType,
    ServiceRefusals,
)
from schema.scalars import JsonObject
from usecases.accounts.open_session import LoggedIn

DELIVERY = "How the refresh tokens are handed over."
DEVICE = "The `deviceToken` of the last log-in on this device, if there was one, as for `logIn`."


@published.as_input
class CompleteLogInInput:
    """The ticket of a log-in, and the proof."""

    ticket: str = strawberry.field(description="The `ticket` of `SecondFactorRequired`.")
    proof: SecondFactorProof = strawberry.field(description="The second factor.")
    token_delivery: TokenDelivery = strawberry.field(
        default=TokenDelivery.PAYLOAD, description=DELIVERY
    )
    device_token: str | None = strawberry.field(default=None, description=DEVICE)


@published.as_input
class FinishPasskeyLogInInput:
    """What the browser answered."""

    credential: JsonObject = strawberry.field(
        description="The AuthenticationResponseJSON of WebAuthn Level 3: what `toJSON()` of the "
        "`PublicKeyCredential` returns."
    )
    token_delivery: TokenDelivery = strawberry.field(
        default=TokenDelivery.PAYLOAD, description=DELIVERY
    )
    device_token: str | None = strawberry.field(default=None, description=DEVICE)


@published.as_type
class BeginPasskeyLogInSuccess:
    """The browser may ask for a passkey within 5 minutes.

    No address is asked for.
    """

    options: JsonObject = strawberry.field(
        description="The PublicKeyCredentialRequestOptionsJSON of WebAuthn Level 3: make it "
        "options by `PublicKeyCredential.parseRequestOptionsFromJSON()`, and pass them as "
        "`publicKey` to `navigator.credentials.get()`."
    )


CompleteLogInPayload = Annotated[
    LogInSuccess
    | InvalidInputType
    | LogInTicketRejectedType
    | AccountSuspendedType
    | CodeInvalidType
    | RecoveryCodeInvalidType
    | SecondFactorLockedType
    | SecondFactorUnreadableType
    | ForeignOriginType
    | ServiceRefusals,
    published.as_answer("completeLogIn"),
]

BeginPasskeyLogInPayload = Annotated[
    BeginPasskeyLogInSuccess | ServiceRefusals,
    published.as_answer("beginPasskeyLogIn"),
]

FinishPasskeyLogInPayload = Annotated[
    LogInSuccess
    | InvalidInputType
    | PasskeyRejectedType
    | AccountSuspendedType
    | ForeignOriginType
    | ServiceRefusals,
    published.as_answer("finishPasskeyLogIn"),
]


def begun(logged_in: LoggedIn, delivery: TokenDelivery, cookies: Cookies) -> LogInSuccess:
    """Return what a client gets when a session has begun, however it did."""
    return LogInSuccess(
        account=AccountType.tell(logged_in.account),
        tokens=hand_over(logged_in.tokens, delivery, cookies),
        device_token=hand_over_device(logged_in.device_token, delivery, cookies),
    )


@strawberry.type
class LogInMutations:
    """The second step of a log-in, and log-ins by passkey."""

    @strawberry.mutation(
        description="Complete a log-in that answered `SecondFactorRequired`. 5 tries a ticket, and "
        "5 wrong codes of the app in 15 minutes.",
        extensions=[RefusalsAsData()],
        graphql_type=CompleteLogInPayload,
    )
    async def complete_log_in(
        self,
        info: Info,
        input: Annotated[CompleteLogInInput, strawberry.argument(description="Ticket and proof.")],
    ) -> LogInSuccess:
        """Answer with the account and its tokens."""
        delivery, cookies = input.token_delivery, info.context.cookies
        check_delivery(delivery, cookies)
        logged_in = await info.context.use_cases.complete_log_in(
            ticket=input.ticket,
            proof=input.proof.given(),
            device=info.context.device(input.device_token),
        )
        return begun(logged_in, delivery, cookies)

    @strawberry.mutation(
        description="Begin to log in with a passkey, whosever it is.",
        extensions=[RefusalsAsData()],
        graphql_type=BeginPasskeyLogInPayload,
    )
    async def begin_passkey_log_in(self, info: Info) -> BeginPasskeyLogInSuccess:
        """Answer with the browser's options."""
        options = await info.context.use_cases.begin_passkey_log_in()
        return BeginPasskeyLogInSuccess(options=JsonObject(dict(options)))

    @strawberry.mutation(
        description="Begin a session by a passkey. It has verified its user by fingerprint, face "
        "or PIN, so no second factor is asked for. Its challenge is good once.",
        extensions=[RefusalsAsData()],
        graphql_type=FinishPasskeyLogInPayload,
    )
    async def finish_passkey_log_in(
        self,
        info: Info,
        input: Annotated[FinishPasskeyLogInInput, strawberry.argument(description="The answer.")],
    ) -> LogInSuccess:
        """Answer with the account and its tokens."""
        delivery, cookies = input.token_delivery, info.context.cookies
        check_delivery(delivery, cookies)
        logged_in = await info.context.use_cases.finish_passkey_log_in(
            credential=input.credential, device=info.context.device(input.device_token)
        )
        return begun(logged_in, delivery, cookies)
