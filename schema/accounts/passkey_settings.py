"""Adding, renaming and removing passkeys."""

from typing import Annotated

import strawberry

from schema import published
from schema.accounts.asked_again import ASKED_AGAIN, PasswordInput
from schema.accounts.passkeys import PasskeyType
from schema.accounts.types import AccountType
from schema.context import Info
from schema.nodes import PASSKEY, key_of
from schema.refusals import (
    InvalidInputType,
    NotFoundType,
    PasskeyLimitReachedType,
    PasskeyUnfitType,
    PasswordRefusals,
    RefusalsAsData,
    ViewerRefusals,
)
from schema.scalars import JsonObject

NAME = "What its owner calls it: one line of 1 to 60 characters."
WHICH = "The `id` of the passkey."


@published.as_input
class BeginPasskeyRegistrationInput(PasswordInput):
    """Who asks for it."""


@published.as_input
class FinishPasskeyRegistrationInput:
    """What the browser answered."""

    credential: JsonObject = strawberry.field(
        description="The RegistrationResponseJSON of WebAuthn Level 3: what `toJSON()` of the "
        "created `PublicKeyCredential` returns."
    )
    name: str = strawberry.field(description=NAME)


@published.as_input
class RenamePasskeyInput:
    """Which passkey, and its new name."""

    passkey_id: strawberry.ID = strawberry.field(description=WHICH)
    name: str = strawberry.field(description=NAME)


@published.as_input
class RemovePasskeyInput:
    """Which passkey, and who asks for it."""

    passkey_id: strawberry.ID = strawberry.field(description=WHICH)
    password: str = strawberry.field(description=ASKED_AGAIN)


@published.as_type
class BeginPasskeyRegistrationSuccess:
    """The browser may make a passkey within 5 minutes."""

    options: JsonObject = strawberry.field(
        description="The PublicKeyCredentialCreationOptionsJSON of WebAuthn Level 3: make it "
        "options by `PublicKeyCredential.parseCreationOptionsFromJSON()`, and pass them as "
        "`publicKey` to `navigator.credentials.create()`."
    )


@published.as_type
class FinishPasskeyRegistrationSuccess:
    """The passkey opens the account.

    The owner is told by mail.
    """

    passkey: PasskeyType = strawberry.field(description="The new passkey.")


@published.as_type
class RenamePasskeySuccess:
    """It has the new name."""

    passkey: PasskeyType = strawberry.field(description="The passkey.")


@published.as_type
class RemovePasskeySuccess:
    """The passkey opens nothing any more; the password does as before.

    The owner is told by mail.
    """

    removed_passkey_id: strawberry.ID = strawberry.field(
        description="The `id` that is gone, for caches."
    )
    account: AccountType = strawberry.field(description="The account, with what is left.")


BeginPasskeyRegistrationPayload = Annotated[
    BeginPasskeyRegistrationSuccess | PasskeyLimitReachedType | PasswordRefusals | ViewerRefusals,
    published.as_answer("beginPasskeyRegistration"),
]

FinishPasskeyRegistrationPayload = Annotated[
    FinishPasskeyRegistrationSuccess
    | InvalidInputType
    | PasskeyUnfitType
    | PasskeyLimitReachedType
    | ViewerRefusals,
    published.as_answer("finishPasskeyRegistration"),
]

RenamePasskeyPayload = Annotated[
    RenamePasskeySuccess | InvalidInputType | NotFoundType | ViewerRefusals,
    published.as_answer("renamePasskey"),
]

RemovePasskeyPayload = Annotated[
    RemovePasskeySuccess | NotFoundType | PasswordRefusals | ViewerRefusals,
    published.as_answer("removePasskey"),
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
