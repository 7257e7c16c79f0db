"""What answers a challenge: its id, which its holder need not be logged in for, and the code."""

from uuid import UUID

import strawberry

from domain.refusals import CodeExpired

MAILED_CODE = "The digits from the mail, leading zeros too; spaces do no harm."


def challenge_key(challenge_id: strawberry.ID) -> UUID:
    """Return the challenge's key. What is none of ours answers like one that is over."""
    try:
        return UUID(challenge_id)
    except ValueError:
        raise CodeExpired(path=("input", "challengeId")) from None
