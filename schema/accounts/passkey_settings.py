"""Adding, renaming and removing passkeys."""

from typing import Annotated

import strawberry

from schema.accounts.passkeys import PasskeyType
from schema.accounts.types import AccountType
from schema.context import Info
from schema.nodes import PASSKEY, key_of
from schema.refusals import (
    AccountLockedType,
    InvalidInputType,
    NotFoundType,
    PasskeyLimitReachedType,
    PasskeyUnfitType,
    RateLimitedType,
    RefusalsAsData,
    TokenExpiredType,
    UnauthenticatedType,
    UpstreamUnavailableType,
    WrongCredentialsType,
)
from schema.scalars import JsonObject

ASKED_AGAIN = "The account's password, asked again."
NAME = "What its owner calls it: one line of 1 to 60 characters."
WHICH = "The `id` of the passkey."


@strawberry.input(name="BeginPasskeyRegistrationInput", description="Who asks for it.")
class BeginPasskeyRegistrationInput:
    """Input of `beginPasskeyRegistration`."""

    password: str = strawberry.field(description=ASKED_AGAIN)


@strawberry.input(name="FinishPasskeyRegistrationInput", description="What the browser answered.")
class FinishPasskeyRegistrationInput:
    """Input of `finishPasskeyRegistration`."""

    credential: JsonObject = strawberry.field(
        description="The RegistrationResponseJSON of WebAuthn Level 3: what `toJSON()` of the "
        "created `PublicKeyCredential` returns."
    )
    name: str = strawberry.field(description=NAME)


@strawberry.input(name="RenamePasskeyInput", description="Which passkey, and its new name.")
class RenamePasskeyInput:
    """Input of `renamePasskey`."""

    passkey_id: strawberry.ID = strawberry.field(description=WHICH)
    name: str = strawberry.field(description=NAME)


@strawberry.input(name="RemovePasskeyInput", description="Which passkey, and who asks for it.")
class RemovePasskeyInput:
    """Input of `removePasskey`."""

    passkey_id: strawberry.ID = strawberry.field(description=WHICH)
    password: str = strawberry.field(description=ASKED_AGAIN)


@strawberry.type(
    name="BeginPasskeyRegistrationSuccess",
    description="The browser may make a passkey within 5 minutes.",
)
class BeginPasskeyRegistrationSuccess:
    """Success of `beginPasskeyRegistration`."""

    options: JsonObject = strawberry.field(
        description="The PublicKeyCredentialCreationOptionsJSON of WebAuthn Level 3: make it "
        "options by `PublicKeyCredential.parseCreationOptionsFromJSON()`, and pass them as "
        "`publicKey` to `navigator.credentials.create()`."
    )


@strawberry.type(
    name="FinishPasskeyRegistrationSuccess",
    description="The passkey opens the account. The owner is told by mail.",
)
class FinishPasskeyRegistrationSuccess:
    """Success of `finishPasskeyRegistration`."""

    passkey: PasskeyType = strawberry.field(description="The new passkey.")


@strawberry.type(name="RenamePasskeySuccess", description="It has the new name.")
class RenamePasskeySuccess:
    """Success of `renamePasskey`."""

    passkey: PasskeyType = strawberry.field(description="The passkey.")


@strawberry.type(
    name="RemovePasskeySuccess",
    description="The passkey opens nothing any more; the password does as before. The owner is "
    "told by mail.",
)
class RemovePasskeySuccess:
    """Success of `removePasskey`."""

    removed_passkey_id: strawberry.ID = strawberry.field(
        description="The `id` that is gone, for caches."
    )
    account: AccountType = strawberry.field(description="The account, with what is left.")


BeginPasskeyRegistrationPayload = Annotated[
    BeginPasskeyRegistrationSuccess
    | PasskeyLimitReachedType
    | WrongCredentialsType
    | AccountLockedType
    | UnauthenticatedType
    | TokenExpiredType
    | RateLimitedType
    | UpstreamUnavailableType,
    strawberry.union(
        "BeginPasskeyRegistrationPayload", description="What `beginPasskeyRegistration` answers."
    ),
]

FinishPasskeyRegistrationPayload = Annotated[
    FinishPasskeyRegistrationSuccess
    | InvalidInputType
    | PasskeyUnfitType
    | PasskeyLimitReachedType
    | UnauthenticatedType
    | TokenExpiredType
    | RateLimitedType
    | UpstreamUnavailableType,
    strawberry.union(
        "FinishPasskeyRegistrationPayload", description="What `finishPasskeyRegistration` answers."
    ),
]

RenamePasskeyPayload = Annotated[
    RenamePasskeySuccess
    | InvalidInputType
    | NotFoundType
    | UnauthenticatedType
    | TokenExpiredType
    | RateLimitedType
    | UpstreamUnavailableType,
    strawberry.union("RenamePasskeyPayload", description="What `renamePasskey` answers."),
]

RemovePasskeyPayload = Annotated[
    RemovePasskeySuccess
    | NotFoundType
    | WrongCredentialsType
    | AccountLockedType
    | UnauthenticatedType
    | TokenExpiredType
    | RateLimitedType
    | UpstreamUnavailableType,
    strawberry.union("RemovePasskeyPayload", description="What `removePasskey` answers."),
]


@strawberry.type
class PasskeyMutations:
    """Passkeys, in the settings of an account."""

    @strawberry.mutation(
        description="Begin to add a passkey: at most 10 an account.",
        extensions=[RefusalsAsData()],
        graphql_type=BeginPasskeyRegistrationPayload,
    )
    async def begin_passkey_registration(
        self,
        info: Info,
        input: Annotated[
            BeginPasskeyRegistrationInput, strawberry.argument(description="Who asks.")
        ],
    ) -> BeginPasskeyRegistrationSuccess:
        """Answer with the browser's options."""
        options = await info.context.use_cases.begin_passkey_registration(
            info.context.viewer, password=input.password, device=info.context.client.device
        )
        return BeginPasskeyRegistrationSuccess(options=JsonObject(dict(options)))

    @strawberry.mutation(
        description="Add the passkey that the browser has made. Its challenge is good once.",
        extensions=[RefusalsAsData()],
        graphql_type=FinishPasskeyRegistrationPayload,
    )
    async def finish_passkey_registration(
        self,
        info: Info,
        input: Annotated[
            FinishPasskeyRegistrationInput, strawberry.argument(description="The passkey.")
        ],
    ) -> FinishPasskeyRegistrationSuccess:
        """Answer with the passkey."""
        passkey = await info.context.use_cases.finish_passkey_registration(
            info.context.viewer,
            credential=input.credential,
            name=input.name,
            device=info.context.client.device,
        )
        return FinishPasskeyRegistrationSuccess(passkey=PasskeyType.tell(passkey))

    @strawberry.mutation(
        description="Call one of the viewer's passkeys something else.",
        extensions=[RefusalsAsData()],
        graphql_type=RenamePasskeyPayload,
    )
    async def rename_passkey(
        self,
        info: Info,
        input: Annotated[RenamePasskeyInput, strawberry.argument(description="The new name.")],
    ) -> RenamePasskeySuccess:
        """Answer with the passkey."""
        passkey = await info.context.use_cases.rename_passkey(
            info.context.viewer,
            key_of(PASSKEY, input.passkey_id, path=("input", "passkeyId")),
            name=input.name,
            device=info.context.client.device,
        )
        return RenamePasskeySuccess(passkey=PasskeyType.tell(passkey))

    @strawberry.mutation(
        description="Remove one of the viewer's passkeys.",
        extensions=[RefusalsAsData()],
        graphql_type=RemovePasskeyPayload,
    )
    async def remove_passkey(
        self,
        info: Info,
        input: Annotated[RemovePasskeyInput, strawberry.argument(description="Which passkey.")],
    ) -> RemovePasskeySuccess:
        """Answer with what is left."""
        account = await info.context.use_cases.remove_passkey(
            info.context.viewer,
            key_of(PASSKEY, input.passkey_id, path=("input", "passkeyId")),
            password=input.password,
            device=info.context.client.device,
        )
        return RemovePasskeySuccess(
            removed_passkey_id=input.passkey_id, account=AccountType.tell(account)
        )
