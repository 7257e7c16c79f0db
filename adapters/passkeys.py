"""Passkeys by py_webauthn: what browsers are asked, and what their answers prove."""

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from webauthn import (
    base64url_to_bytes,
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    parse_attestation_object,
    parse_authenticator_data,
    parse_client_data_json,
    parse_registration_credential_json,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorData,
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from domain.accounts import Account
from domain.passkeys import Assertion, NewPasskey, Passkey
from usecases.ports.factors import CeremonyFailed

NAME = "Storyloom"

PATIENCE_MS = 5 * 60 * 1000
"""How long a browser lets its user choose and touch: as long as the challenge lives."""

HANDLE_BYTES = 64

LONGEST_CREDENTIAL_ID = 1023
"""Bytes (WebAuthn Level 3, 4)."""

LONGEST_KEY = 1024
"""Bytes: an RSA key of 4096 bits needs 540, and checking longer ones takes long."""


class WebAuthnCeremonies:
    """Implements `PasskeyCeremonies`.

    Keys must be discoverable, so that nobody is asked for an address, and their user must have
    been verified by fingerprint, face or PIN: so a passkey is two factors in one. No attestation is
    asked for: which make of authenticator people use is their own business.
    """

    def __init__(self, *, domain: str, origins: Sequence[str]) -> None:
        """`domain` is the relying party's id; pages of the `origins` may use its passkeys."""
        self._domain, self._origins = domain, list(origins)

    def draw_user_handle(self) -> bytes:
        """Return what an authenticator will know an account by."""
        return secrets.token_bytes(HANDLE_BYTES)

    def creation_options(
        self, account: Account, user_handle: bytes, challenge: bytes, held: Sequence[Passkey]
    ) -> Mapping[str, object]:
        """Return a PublicKeyCredentialCreationOptionsJSON."""
        return _plain(
            options_to_json(
                generate_registration_options(
                    rp_id=self._domain,
                    rp_name=NAME,
                    user_id=user_handle,
                    user_name=account.email,
                    user_display_name=account.display_name,
                    challenge=challenge,
                    timeout=PATIENCE_MS,
                    authenticator_selection=AuthenticatorSelectionCriteria(
                        resident_key=ResidentKeyRequirement.REQUIRED,
                        user_verification=UserVerificationRequirement.REQUIRED,
                    ),
                    exclude_credentials=[
                        PublicKeyCredentialDescriptor(
                            id=passkey.credential_id,
                            transports=[
                                AuthenticatorTransport(name) for name in passkey.transports
                            ],
                        )
                        for passkey in held
                    ],
                )
            )
        )

    def request_options(self, challenge: bytes) -> Mapping[str, object]:
        """Return a PublicKeyCredentialRequestOptionsJSON."""
        return _plain(
            options_to_json(
                generate_authentication_options(
                    rp_id=self._domain,
                    challenge=challenge,
                    timeout=PATIENCE_MS,
                    user_verification=UserVerificationRequirement.REQUIRED,
                )
            )
        )

    def challenge_of(self, response: Any) -> bytes:  # noqa: ANN401 - whatever a client sent
        """Return the challenge that a response says it answers."""
        with _refusing():
            client_data = parse_client_data_json(
                base64url_to_bytes(response["response"]["clientDataJSON"])
            )
            if client_data.cross_origin:
                raise CeremonyFailed("made within a page of another origin")
            return client_data.challenge

    def credential_of(self, response: Any) -> bytes:  # noqa: ANN401
        """Return the id of the credential that a response claims."""
        with _refusing():
            return base64url_to_bytes(response["rawId"])

    def register(self, response: Any, challenge: bytes) -> NewPasskey:  # noqa: ANN401
        """Check what an authenticator made."""
        with _refusing():
            credential = parse_registration_credential_json(response)
            made = verify_registration_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=self._domain,
                expected_origin=self._origins,
                require_user_verification=True,
            )
            if len(made.credential_id) > LONGEST_CREDENTIAL_ID:
                raise CeremonyFailed("the credential's id is too long")
            if len(made.credential_public_key) > LONGEST_KEY:
                raise CeremonyFailed("the public key is too long")
            told = parse_attestation_object(made.attestation_object).auth_data
            return NewPasskey(
                credential_id=made.credential_id,
                public_key=made.credential_public_key,
                transports=[transport.value for transport in credential.response.transports or []],
                said=_said(told),
            )

    def verify(self, response: Any, challenge: bytes, passkey: Passkey) -> Assertion:  # noqa: ANN401
        """Check a signature; the counter is the caller's to judge."""
        with _refusing():
            verify_authentication_response(
                credential=response,
                expected_challenge=challenge,
                expected_rp_id=self._domain,
                expected_origin=self._origins,
                credential_public_key=passkey.public_key,
                # Compared by the domain, once the signature is known to be good: anybody could
                # send a low counter and have the owner warned of a copy.
                credential_current_sign_count=0,
                require_user_verification=True,
            )
            answer = response["response"]
            said = _said(parse_authenticator_data(base64url_to_bytes(answer["authenticatorData"])))
            if base64url_to_bytes(answer["userHandle"]) != passkey.user_handle:
                raise CeremonyFailed("the passkey is of another user")
            if said.backup_eligible != passkey.backup_eligible:
                # It never changes in the life of a key (WebAuthn Level 3, 7.2).
                raise CeremonyFailed("the passkey is of another kind than it was")
            return said


def _said(data: AuthenticatorData) -> Assertion:
    return Assertion(
        sign_count=data.sign_count, backup_eligible=data.flags.be, backed_up=data.flags.bs
    )


def _plain(options: str) -> Mapping[str, object]:
    plain: Mapping[str, object] = json.loads(options)
    return plain


@contextmanager
def _refusing() -> Iterator[None]:
    """Refuse whatever is wrong with a response.

    It is CBOR in base64 in JSON, of a stranger's making, and each of the parsers raises errors of
    its own: none of them is a fault of ours.
    """
    try:
        yield
    except CeremonyFailed:
        raise
    except WebAuthnException as error:
        raise CeremonyFailed(str(error)[:200]) from None
    except Exception as error:  # noqa: BLE001 - see above
        raise CeremonyFailed(f"malformed: {type(error).__name__}") from None
