"""Mutations of accounts and sessions."""

from typing import Annotated

import strawberry

from schema.accounts.addresses import AddressMutations
from schema.accounts.challenges import challenge_key
from schema.accounts.delivery import check_delivery, leaving, refreshed
from schema.accounts.farewell import FarewellMutations
from schema.accounts.inputs import (
    LogInInput,
    LogOutInput,
    RefreshTokensInput,
    ResendOtpInput,
    SignUpInput,
    VerifyOtpInput,
)
from schema.accounts.log_ins import LogInMutations, begun
from schema.accounts.passkey_settings import PasskeyMutations
from schema.accounts.passwords import PasswordMutations
from schema.accounts.payloads import (
    LogInPayload,
    LogInSuccess,
    LogOutPayload,
    LogOutSuccess,
    RefreshTokensPayload,
    RefreshTokensSuccess,
    ResendOtpPayload,
    ResendOtpSuccess,
    SignUpPayload,
    SignUpSuccess,
    VerifyOtpPayload,
    VerifyOtpSuccess,
)
from schema.accounts.phones import PhoneMutations
from schema.accounts.reauthentication import ReauthenticationMutations
from schema.accounts.second_factors import SecondFactorMutations
from schema.accounts.session_ends import SessionMutations
from schema.accounts.types import AccountType, ChallengeType
from schema.context import Info
from schema.refusals import RefusalsAsData


@strawberry.type
class AccountMutations(
    SessionMutations,
    ReauthenticationMutations,
    PasswordMutations,
    AddressMutations,
    SecondFactorMutations,
    PasskeyMutations,
    LogInMutations,
    PhoneMutations,
    FarewellMutations,
):
    """Sign-up, and the life of a session."""

    @strawberry.mutation(
        description="Claim an address: a code is mailed to it. The answer is the same whether or "
        "not the address has an account; in that case its owner is told by mail.",
        extensions=[RefusalsAsData()],
        graphql_type=SignUpPayload,
    )
    async def sign_up(
        self,
        info: Info,
        input: Annotated[SignUpInput, strawberry.argument(description="Who wants an account.")],
    ) -> SignUpSuccess:
        """Answer with the challenge."""
        challenge = await info.context.use_cases.sign_up(
            email=input.email,
            password=input.password,
            display_name=input.display_name,
            interests=input.interests,
            device=info.context.client.device,
        )
        return SignUpSuccess(challenge=ChallengeType.tell(challenge))

    @strawberry.mutation(
        description="Prove an address with the code that was mailed to it; then log in.",
        extensions=[RefusalsAsData()],
        graphql_type=VerifyOtpPayload,
    )
    async def verify_otp(
        self,
        info: Info,
        input: Annotated[VerifyOtpInput, strawberry.argument(description="The code.")],
    ) -> VerifyOtpSuccess:
        """Answer with the account."""
        account = await info.context.use_cases.verify_otp(
            challenge_key(input.challenge_id), input.code, info.context.client.device
        )
        return VerifyOtpSuccess(account=AccountType.tell(account))

    @strawberry.mutation(
        description="Ask for another code: once a minute, 5 times an hour, 10 times a day for an "
        "address. Codes of before are void, tries that were used stay used.",
        extensions=[RefusalsAsData()],
        graphql_type=ResendOtpPayload,
    )
    async def resend_otp(
        self,
        info: Info,
        input: Annotated[ResendOtpInput, strawberry.argument(description="The challenge.")],
    ) -> ResendOtpSuccess:
        """Answer with the challenge."""
        challenge = await info.context.use_cases.resend_otp(challenge_key(input.challenge_id))
        return ResendOtpSuccess(challenge=ChallengeType.tell(challenge))

    @strawberry.mutation(
        description="Begin a session. With the right password but an unproven address, the "
        "answer names the challenge to answer first; of an account with a second factor, the "
        "ticket to complete the log-in with.",
        extensions=[RefusalsAsData()],
        graphql_type=LogInPayload,
    )
    async def log_in(
        self,
        info: Info,
        input: Annotated[LogInInput, strawberry.argument(description="Who somebody is.")],
    ) -> LogInSuccess:
        """Answer with the account and its tokens."""
        delivery, cookies = input.token_delivery, info.context.cookies
        check_delivery(delivery, cookies)
        logged_in = await info.context.use_cases.log_in(
            email=input.email,
            password=input.password,
            device=info.context.device(input.device_token),
        )
        return begun(logged_in, delivery, cookies)

    @strawberry.mutation(
        description="Trade a refresh token for the next pair of tokens. Each is used once; using "
        "an old one ends the session, since somebody else may hold it. The successor of a token "
        "from the cookie goes there, too.",
        extensions=[RefusalsAsData()],
        graphql_type=RefreshTokensPayload,
    )
    async def refresh_tokens(
        self,
        info: Info,
        input: Annotated[RefreshTokensInput, strawberry.argument(description="The token.")],
    ) -> RefreshTokensSuccess:
        """Answer with the next tokens."""
        return RefreshTokensSuccess(tokens=await refreshed(info.context, input.refresh_token))

    @strawberry.mutation(
        description="End the session of the access token, or that of a refresh token, from the "
        "input or the cookie, which is cleared. Its tokens fail from then on, and its sockets "
        "close with 4403. Doing it twice does no harm.",
        extensions=[RefusalsAsData()],
        graphql_type=LogOutPayload,
    )
    async def log_out(
        self,
        info: Info,
        input: Annotated[
            LogOutInput | None, strawberry.argument(description="Which session ends.")
        ] = None,
    ) -> LogOutSuccess:
        """Answer whether there was a session to end."""
        claims, refresh_token = leaving(info.context, input.refresh_token if input else None)
        was_logged_in = await info.context.use_cases.log_out(
            claims, refresh_token, info.context.client.device
        )
        info.context.cookies.clear()
        return LogOutSuccess(was_logged_in=was_logged_in)
