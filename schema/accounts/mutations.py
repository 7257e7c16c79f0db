"""Mutations of accounts and sessions."""

from typing import Annotated
from uuid import UUID

import strawberry

from domain.refusals import CodeExpired
from domain.sessions import Device
from schema.accounts.inputs import (
    LogInInput,
    LogOutInput,
    RefreshTokensInput,
    ResendOtpInput,
    SignUpInput,
    VerifyOtpInput,
)
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
from schema.accounts.types import AccountType, ChallengeType, TokenPairType
from schema.context import Client, Info
from schema.refusals import RefusalsAsData


@strawberry.type
class AccountMutations:
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
        account = await info.context.use_cases.verify_otp(_key(input.challenge_id), input.code)
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
        challenge = await info.context.use_cases.resend_otp(_key(input.challenge_id))
        return ResendOtpSuccess(challenge=ChallengeType.tell(challenge))

    @strawberry.mutation(
        description="Begin a session. With the right password but an unproven address, the "
        "answer names the challenge to answer first.",
        extensions=[RefusalsAsData()],
        graphql_type=LogInPayload,
    )
    async def log_in(
        self,
        info: Info,
        input: Annotated[LogInInput, strawberry.argument(description="Who somebody is.")],
    ) -> LogInSuccess:
        """Answer with the account and its tokens."""
        logged_in = await info.context.use_cases.log_in(
            email=input.email, password=input.password, device=_device(info.context.client)
        )
        return LogInSuccess(
            account=AccountType.tell(logged_in.account),
            tokens=TokenPairType.tell(logged_in.tokens),
        )

    @strawberry.mutation(
        description="Trade a refresh token for the next pair of tokens. Each is used once; using "
        "an old one ends the session, since somebody else may hold it.",
        extensions=[RefusalsAsData()],
        graphql_type=RefreshTokensPayload,
    )
    async def refresh_tokens(
        self,
        info: Info,
        input: Annotated[RefreshTokensInput, strawberry.argument(description="The token.")],
    ) -> RefreshTokensSuccess:
        """Answer with the next tokens."""
        tokens = await info.context.use_cases.refresh_tokens(input.refresh_token)
        return RefreshTokensSuccess(tokens=TokenPairType.tell(tokens))

    @strawberry.mutation(
        description="End the session of the access token, or that of a refresh token. Its tokens "
        "fail from then on, and its sockets close with 4403. Doing it twice does no harm.",
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
        refresh_token = input.refresh_token if input else None
        claims = info.context.claims if refresh_token else info.context.viewer
        return LogOutSuccess(
            was_logged_in=await info.context.use_cases.log_out(claims, refresh_token)
        )


def _key(challenge_id: strawberry.ID) -> UUID:
    """Return the challenge's key. What is none of ours answers like one that is over."""
    try:
        return UUID(challenge_id)
    except ValueError:
        raise CodeExpired(path=("input", "challengeId")) from None


def _device(client: Client) -> Device:
    return Device(client_address=client.address, user_agent=client.user_agent)
