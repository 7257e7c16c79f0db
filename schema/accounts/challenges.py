"""The ids of challenges: the only ones that their holder need not be logged in for."""

from uuid import UUID

import strawberry

from domain.refusals import CodeExpired


def challenge_key(challenge_id: strawberry.ID) -> UUID:
    """Return the challenge's key. What is none of ours answers like one that is over."""
    try:
        return UUID(challenge_id)
    except ValueError:
        raise CodeExpired(path=("input", "challengeId")) from None
