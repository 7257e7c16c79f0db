"""The password, asked again before what matters."""

import strawberry

ASKED_AGAIN = "The account's password, asked again."


@strawberry.input
class PasswordInput:
    """What such inputs begin with."""

    password: str = strawberry.field(description=ASKED_AGAIN)
