"""One valid example of each noun; a test names only what it is about."""

# ruff: noqa: ANN401 - the known attributes are checked by the entity they are for

from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from domain.accounts import Account
from domain.briefs import StoryBrief
from domain.deliveries import Delivery, DeliveryKind
from domain.passkeys import Passkey
from domain.second_factors import RecoveryCode, TotpFactor
from domain.sessions import RefreshToken, Session
from domain.stories import Chapter, Story
from tests.fakes.clock import START


def an_account(**known: Any) -> Account:
    """Return a pending account with an address of its own."""
    key = uuid7()
    return Account(
        **{
            "id": key,
            "email": f"reader-{key}@example.org",
            "password_hash": "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA",
            "display_name": "Mira",
            "interests": ["foxes", "the sea"],
            "created_at": START,
            **known,
        }
    )


def a_session(account_id: UUID, **known: Any) -> Session:
    """Return a session that was just begun."""
    return Session(
        **{
            "account_id": account_id,
            "client_address": "203.0.113.7",
            "user_agent": "Firefox",
            "created_at": START,
            "last_used_at": START,
            "authenticated_at": START,
            "expires_at": START + timedelta(days=90),
            **known,
        }
    )


def a_refresh_token(session_id: UUID, **known: Any) -> RefreshToken:
    """Return an unused refresh token."""
    return RefreshToken(
        **{
            "session_id": session_id,
            "digest": sha256(uuid7().bytes).digest(),
            "issued_at": START,
            "expires_at": START + timedelta(days=30),
            **known,
        }
    )


def a_totp_factor(account_id: UUID, **known: Any) -> TotpFactor:
    """Return an authenticator app that was not confirmed yet."""
    return TotpFactor(
        **{
            "account_id": account_id,
            "sealed_secret": uuid7().bytes,
            "created_at": START,
            **known,
        }
    )


def a_recovery_code(account_id: UUID, **known: Any) -> RecoveryCode:
    """Return an unused recovery code."""
    return RecoveryCode(
        **{
            "account_id": account_id,
            "digest": sha256(uuid7().bytes).digest(),
            "created_at": START,
            **known,
        }
    )


def a_passkey(account_id: UUID, **known: Any) -> Passkey:
    """Return a passkey that was never used."""
    return Passkey(
        **{
            "account_id": account_id,
            "user_handle": bytes(64),
            "credential_id": uuid7().bytes,
            "public_key": b"a key in COSE",
            "sign_count": 0,
            "transports": ["internal", "hybrid"],
            "backup_eligible": True,
            "backed_up": True,
            "name": "Mira's phone",
            "created_at": START,
            **known,
        }
    )


def a_story(account_id: UUID, **known: Any) -> Story:
    """Return a queued story."""
    return Story(
        **{
            "account_id": account_id,
            "brief": StoryBrief(),
            "seed": 7,
            "requested_at": START,
            **known,
        }
    )


def a_chapter(story_id: UUID, number: int = 1, text: str = "Once there was a fox.") -> Chapter:
    """Return a finished chapter."""
    return Chapter.of(story_id, number, f"Chapter {number}", text, START)


def a_delivery(account_id: UUID | None, **known: Any) -> Delivery:
    """Return a mail that waits to be sent."""
    key = uuid7()
    return Delivery(
        **{
            "id": key,
            "kind": DeliveryKind.STORY_READY,
            "event_key": f"story:{key}:ready",
            "account_id": account_id,
            "recipient": "reader@example.org",
            "message_id": f"<{key}@example.org>",
            "created_at": START,
            "expires_at": START + timedelta(days=1),
            **known,
        }
    )
